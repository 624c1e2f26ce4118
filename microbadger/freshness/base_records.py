"""Stores what is known of base images, tracked or not: the digests that their tags named over time, and their layers.

A *sight* is one of these digests, with the time at which the tag was first seen to name it. All images on a base share
these records. A base that is tracked as private is *closed* to public images: they must not show anything of it. What
was read of it for private images is marked as private, so that it stays hidden even after the base is untracked.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_

from microbadger.freshness.private_reads import is_hidden
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image import (
    MOST_SIGHTS,
    BaseClaim,
    BaseContentDocument,
    FirstSeen,
    KnownBases,
    Repository,
    SightDocument,
    VersionDocument,
    described_platform,
    entry_for,
    format_time,
    image_inputs,
    parse_kept,
    read_time,
    recorded_claim,
)
from microbadger.store import BASE_CONTENTS, BASE_TAGS, CHECKS, FIRST_SEEN, LAYER_STACKS, LEASES, Database, upsert

BASE_LEASE = "base:"
"""The prefix of the names of the leases for reading bases."""
_FIRST_PAUSE = timedelta(hours=1)
_LEAST_PAUSE = timedelta(hours=12)
_DAY = timedelta(days=1)
_LONGEST_PAUSE = _DAY + _LEAST_PAUSE
_KEPT_UNUSED = timedelta(days=60)
_TOUCHED_EVERY = timedelta(days=7)
_ASKED_AT_ONCE = 500

_Key = tuple[str, str]  # a repository and a digest
_TAGS = select(BASE_TAGS).where(BASE_TAGS.c.reference.in_(bindparam("references", expanding=True)))
_CONTENTS = select(BASE_CONTENTS).where(
    tuple_(BASE_CONTENTS.c.image, BASE_CONTENTS.c.digest).in_(bindparam("keys", expanding=True))
)
_TOUCH = (
    BASE_CONTENTS.update()
    .where(BASE_CONTENTS.c.image == bindparam("which"), BASE_CONTENTS.c.digest == bindparam("its_digest"))
    .values(used_at=bindparam("now"))
)
_STACKS = select(LAYER_STACKS.c.sha, LAYER_STACKS.c.tags).where(LAYER_STACKS.c.image == bindparam("which"))
_CHECKED = select(CHECKS.c.ended_at).where(
    CHECKS.c.image == bindparam("which"), CHECKS.c.succeeded_at > bindparam("since"), CHECKS.c.reason.is_(None)
)
_FIRST_SEEN = select(FIRST_SEEN.c.seen_at, FIRST_SEEN.c.is_exact).where(
    FIRST_SEEN.c.image == bindparam("which"),
    FIRST_SEEN.c.tag == bindparam("its_tag"),
    FIRST_SEEN.c.digest == bindparam("its_digest"),
)
_OLD = (
    BASE_TAGS.delete().where(BASE_TAGS.c.due_at < bindparam("before")),
    BASE_CONTENTS.delete().where(BASE_CONTENTS.c.used_at < bindparam("before")),
    LEASES.delete().where(LEASES.c.name.startswith(BASE_LEASE, autoescape=True), LEASES.c.holder == ""),
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many times in a row a read failed, when the registry was last asked, and when to ask again (Unix times)."""

    failures: int = 0
    asked_at: float = 0.0
    due_at: float = 0.0


@dataclass(slots=True)
class Bases:
    """What is known of the bases of some versions, and of the attempts to read more; a check adds to it.

    ``sights`` and ``tags_asked`` are by the reference of a tag, ``contents`` and ``contents_asked`` by repository and
    digest. ``closed`` are the repositories of which nothing may be shown.
    """

    sights: dict[str, list[SightDocument]] = field(default_factory=dict)
    contents: dict[_Key, BaseContentDocument] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    """The repositories that are read with a credential."""
    tags_asked: dict[str, Attempts] = field(default_factory=dict)
    contents_asked: dict[_Key, Attempts] = field(default_factory=dict)
    stale: set[_Key] = field(default_factory=set)
    """Contents that are in use and must be marked as used, or `BaseRecords.clean` would delete them."""

    @property
    def known(self) -> KnownBases:
        """The part of this data that decides whether the tag of a base has moved."""
        return KnownBases(self.sights, self.contents, self.closed)


@dataclass(frozen=True, slots=True)
class Answer:
    """The digest that a tag named at ``asked_at``, according to a registry or to the record of a tracked image."""

    digest: str
    asked_at: datetime
    first_seen: FirstSeen | None = None


class BaseRecords:
    """The records of all bases."""

    def __init__(self, database: Database, tracked: TrackedImages, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self._database = database
        self._tracked = tracked

    def of(self, connection: Connection, versions: Iterable[VersionDocument], *, is_private: bool) -> Bases:
        """Return what is known of the bases of these versions of one image.

        ``is_private`` says whether that image is private, and may therefore use private bases.
        """
        bases = Bases()
        claims = {claim: None for version in versions for claim in base_claims_of(version) if claim.repository}
        for repository in {claim.repository: None for claim in claims if claim.repository}:
            self._open(connection, bases, repository, is_private=is_private)
        self.load(connection, bases, claims, versions)
        return bases

    def load(
        self,
        connection: Connection,
        bases: Bases,
        claims: Collection[BaseClaim],
        versions: Iterable[VersionDocument],
    ) -> None:
        """Load into ``bases`` what is stored of these claims, for the platforms of these versions."""
        open_claims = [claim for claim in claims if str(claim.repository) not in bases.closed]
        for part in _parts({claim.key for claim in open_claims if claim.key}):
            for row in connection.execute(_TAGS, {"references": part}):
                if row.is_private == (row.reference.rpartition(":")[0] in bases.private):
                    bases.sights[row.reference] = _sights(row.sights)
                    bases.tags_asked[row.reference] = Attempts(row.failures, row.asked_at, row.due_at)
        wanted = {
            (str(claim.repository), digest)
            for claim in open_claims
            for digest in (claim.digest, *(sight["Digest"] for sight in bases.sights.get(claim.key, [])))
            if digest
        }
        self._load_contents(connection, bases, wanted)
        platforms = [platform for version in versions if (platform := described_platform(version))]
        entries = {
            (repository, entry)
            for repository, digest in wanted
            for platform in platforms
            if (entry := entry_for(bases.contents.get((repository, digest), {}).get("Entries", []), platform))
        }
        self._load_contents(connection, bases, entries - wanted)

    def is_due(self, attempts: Attempts) -> bool:
        """Return whether to ask again now; a time too far ahead is ignored, because the clock was set back since."""
        return not 0 < attempts.due_at - self.now().timestamp() <= _LONGEST_PAUSE.total_seconds()

    def answer_of_record(self, claim: BaseClaim) -> Answer | None:
        """Return what a tag named at the last check of its image.

        Return None if the image is not tracked, has not been checked successfully within a day, or lacks the tag.
        """
        if claim.repository is None or claim.repository not in self._tracked:
            return None
        which, since = {"which": str(claim.repository)}, (self.now() - _DAY).timestamp()
        with self._database.read() as connection:
            ended_at = connection.execute(_CHECKED, {**which, "since": since}).scalar_one_or_none()
            shas = [row.sha for row in connection.execute(_STACKS, which) if claim.tag in row.tags.split()]
            if not ended_at or not shas:
                return None
            digest = f"{'sha512' if len(shas[0]) > 64 else 'sha256'}:{shas[0]}"
            sight = connection.execute(_FIRST_SEEN, {**which, "its_tag": claim.tag, "its_digest": digest}).first()
        first_seen = FirstSeen(datetime.fromtimestamp(sight.seen_at, UTC), bool(sight.is_exact)) if sight else None
        return Answer(digest, datetime.fromtimestamp(ended_at, UTC), first_seen)

    def note(self, bases: Bases, claim: BaseClaim, answer: Answer | None) -> None:
        """Store the digest that a tag names, or a failed attempt if ``answer`` is None."""
        sights, now = bases.sights.get(claim.key, []), self.now()
        failures = 0 if answer else bases.tags_asked.get(claim.key, Attempts()).failures + 1
        if answer and (not sights or sights[-1]["Digest"] != answer.digest):
            sights = _with_sight(sights, answer)
        due_at = now + _FIRST_PAUSE if failures == 1 else _next_day(now)
        asked_at = answer.asked_at if answer else now
        bases.sights[claim.key] = sights
        bases.tags_asked[claim.key] = Attempts(failures, asked_at.timestamp(), due_at.timestamp())
        row = {
            "reference": claim.key,
            "is_private": str(claim.repository) in bases.private,
            "sights": json.dumps(sights, separators=(",", ":")),
            "failures": failures,
            "asked_at": asked_at.timestamp(),
            "due_at": due_at.timestamp(),
        }
        with self._database.write() as connection:
            upsert(connection, BASE_TAGS, row, update=("sights", "failures", "asked_at", "due_at"))

    def keep(self, bases: Bases, repository: Repository, digest: str, content: BaseContentDocument | None) -> None:
        """Store the content of a digest, or a failed attempt if ``content`` is None."""
        key, now = (str(repository), digest), self.now()
        failures = 0 if content is not None else bases.contents_asked.get(key, Attempts()).failures + 1
        due_at = now + (_FIRST_PAUSE if failures == 1 else _DAY)
        if content is not None:
            bases.contents[key] = content
        bases.contents_asked[key] = Attempts(failures, now.timestamp(), due_at.timestamp())
        row = {
            "image": key[0],
            "digest": digest,
            "is_private": key[0] in bases.private,
            "document": None if content is None else json.dumps(content, separators=(",", ":")),
            "failures": failures,
            "due_at": due_at.timestamp(),
            "used_at": now.timestamp(),
        }
        with self._database.write() as connection:
            upsert(connection, BASE_CONTENTS, row, update=("document", "failures", "due_at", "used_at"))

    def touch(self, bases: Bases) -> None:
        """Mark the contents in use as used now, so that `clean` does not delete them."""
        now = self.now().timestamp()
        rows = [{"which": image, "its_digest": digest, "now": now} for image, digest in sorted(bases.stale)]
        if rows:
            with self._database.write() as connection:
                connection.execute(_TOUCH, rows)

    def clean(self) -> None:
        """Delete the bases that no image has used for 60 days."""
        before = (self.now() - _KEPT_UNUSED).timestamp()
        with self._database.write() as connection:
            for statement in _OLD:
                connection.execute(statement, {"before": before})

    def _open(self, connection: Connection, bases: Bases, repository: Repository, *, is_private: bool) -> None:
        """Find out whether a repository is closed to an image, or is private and may be used by it."""
        image = self._tracked.read(connection, repository)
        if image and image.private and is_private:
            bases.private.add(str(repository))
        elif image and (image.private or is_hidden(connection, image)):
            bases.closed.add(str(repository))

    def _load_contents(self, connection: Connection, bases: Bases, wanted: Iterable[_Key]) -> None:
        touched_before = (self.now() - _TOUCHED_EVERY).timestamp()
        for part in _parts(wanted):
            for row in connection.execute(_CONTENTS, {"keys": part}):
                key = row.image, row.digest
                if row.is_private != (row.image in bases.private):
                    continue
                bases.contents_asked[key] = Attempts(row.failures, 0.0, row.due_at)
                content = parse_kept(row.document, BaseContentDocument)
                if content is not None:
                    bases.contents[key] = content
                    if row.used_at < touched_before:
                        bases.stale.add(key)


def base_claims_of(version: VersionDocument) -> list[BaseClaim]:
    """Return the claims about the base of a version: the recorded one first, then the images among its build inputs."""
    recorded = recorded_claim(version)
    return [*([recorded] if recorded else []), *image_inputs(version)]


def _with_sight(sights: Sequence[SightDocument], answer: Answer) -> list[SightDocument]:
    """Return the sights with a new one, whose time is exact if the tag was seen to name another digest before."""
    first = answer.first_seen
    if sights:
        last = read_time(sights[-1]["SeenAt"])
        is_later = first is not None and first.is_exact and last is not None and first.seen_at > last
        seen_at, is_exact = (first.seen_at if first and is_later else answer.asked_at), True
    else:
        seen_at, is_exact = (first.seen_at, first.is_exact) if first else (answer.asked_at, False)
    kept = [*sights, SightDocument(Digest=answer.digest, SeenAt=format_time(seen_at), IsExact=is_exact)]
    if len(kept) > MOST_SIGHTS:
        kept = kept[-MOST_SIGHTS:]
        kept[0] = {**kept[0], "IsExact": False}  # the digest that the tag named before is no longer stored
    return kept


def _sights(text: str) -> list[SightDocument]:
    """Return the stored sights of a tag, or none if they are damaged."""
    sights: list[SightDocument] = parse_kept(text, list[SightDocument]) or []
    return sights if all(read_time(sight["SeenAt"]) for sight in sights) else []


def _next_day(now: datetime) -> datetime:
    """Return when to ask again: on the next day in UTC, so that a daily check of an image finds its base due.

    The pause is at least 12 hours.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    return max(midnight, now + _LEAST_PAUSE)


def _parts(keys: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(keys)
    for begin in range(0, len(ordered), _ASKED_AT_ONCE):
        yield ordered[begin : begin + _ASKED_AT_ONCE]
