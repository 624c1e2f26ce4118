"""Shares the checks among processes: each process claims a few images at a time, as many as it has free threads for.

A *claim* says that a process is about to check an image. It lasts for some seconds and is renewed until the check ends.
If a process dies, its claims expire and other processes soon claim the images. A claim only saves two processes from
trying the same image; the lease of the image protects its files.

While a process claims images of a registry, it locks the row of that registry in the table of hosts. So the limit on
checks of one registry holds for all processes together. A process that finds the row locked tries again a moment later.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, literal, select

from microbadger.freshness.stored_images import is_on_request
from microbadger.image import Repository, kept_repositories
from microbadger.registry import LONGEST_PAUSE_SECONDS
from microbadger.store import (
    CHECKS,
    CLAIMS,
    HOSTS,
    TRACKED_IMAGES,
    Database,
    is_alive,
    this_process,
    upsert,
    upsert_selected,
)

CLAIM_SECONDS = 15.0
_MOST_OF_A_REGISTRY = 12
"""How many due images of a registry all processes check at once; the same limit applies to requested images."""
_MOST_ON_REQUEST = 2
"""How many of either kind may be images that only readers asked for, so that a flood of these delays no others."""

_COLUMNS = ("image", "is_asked", "registry", "holder", "until")
# A claim that ends later than any new claim would was made before the clock was set back.
_COUNTS = (CLAIMS.c.until > bindparam("now")) & (CLAIMS.c.until <= bindparam("latest"))
_BY = bindparam("holder", type_=CLAIMS.c.holder.type)
_UNTIL = bindparam("until", type_=CLAIMS.c.until.type)
_HOST = select(HOSTS.c.paused_until).where(HOSTS.c.host == bindparam("host")).with_for_update(skip_locked=True)
_IN_HAND = select(func.count()).where(
    CLAIMS.c.registry == bindparam("host"), CLAIMS.c.is_asked == bindparam("asked"), _COUNTS
)
_HELD = select(CLAIMS.c.image).where(CLAIMS.c.is_asked, _COUNTS)
_IS_ON_REQUEST = TRACKED_IMAGES.c.requested_at.is_not(None)
_IN_HAND_ON_REQUEST = _IN_HAND.join(TRACKED_IMAGES, TRACKED_IMAGES.c.image == CLAIMS.c.image).where(_IS_ON_REQUEST)
_ON_REQUEST = select(TRACKED_IMAGES.c.image).where(
    _IS_ON_REQUEST, TRACKED_IMAGES.c.image.in_(bindparam("images", expanding=True))
)
_IS_OF_REQUEST = is_on_request(CHECKS.c.image)
_ANY_DUE = (
    select(CHECKS.c.image, literal(False), CHECKS.c.registry, _BY, _UNTIL)
    .where(
        CHECKS.c.registry == bindparam("host"),
        CHECKS.c.due_at <= bindparam("due_by"),
        ~exists().where(CLAIMS.c.image == CHECKS.c.image, ~CLAIMS.c.is_asked, _COUNTS),
    )
    .order_by(CHECKS.c.due_at)
    .limit(bindparam("at_most"))
)
_DUE, _DUE_ON_REQUEST = _ANY_DUE.where(~_IS_OF_REQUEST), _ANY_DUE.where(_IS_OF_REQUEST)
_RENEW = CLAIMS.update().where(CLAIMS.c.holder == bindparam("its_holder")).values(until=bindparam("next_until"))
_END = delete(CLAIMS).where(
    CLAIMS.c.image == bindparam("which"), CLAIMS.c.is_asked == bindparam("asked"), CLAIMS.c.holder == bindparam("whose")
)
_HOLDERS = select(CLAIMS.c.holder).distinct()
_IS_OVER = ~_COUNTS
_TAKEN_OVER = ("holder", "until")


class Claim(NamedTuple):
    """A claim to check an image, either because somebody asked for the check or because it is due."""

    repository: Repository
    is_asked: bool


class Claims:
    """The claims of all processes."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float] = time.time, seconds: float = CLAIM_SECONDS
    ) -> None:
        self._database = database
        self._clock = clock
        self._seconds = seconds

    def take_due(self, registry: str, at_most: int, due_by: float) -> list[Repository]:
        """Claim and return due images of a registry, the longest overdue first; none while the registry is paused.

        Images that only readers asked for come last, and only a few at once. Raises StoreError.
        """
        with self._database.write() as connection:
            times = self._times()
            room = self._room(connection, registry, at_most, times, is_asked=False)
            if room <= 0:
                return []
            given = {**times, **self._by_this(), "host": registry, "due_by": due_by, "asked": False}
            claimed = _claim(connection, _DUE, {**given, "at_most": room})
            room = min(room - len(claimed), _room_on_request(connection, given))
            if room > 0:
                claimed += _claim(connection, _DUE_ON_REQUEST, {**given, "at_most": room})
            return claimed

    def take_asked(self, registry: str, repositories: Sequence[Repository]) -> list[Repository]:
        """Claim these images, except those that are claimed already or exceed a limit, and return the claimed ones.

        Raises StoreError.
        """
        with self._database.write() as connection:
            times = self._times()
            room = self._room(connection, registry, len(repositories), times, is_asked=True)
            if room <= 0:
                return []
            claimed: list[Repository] = []
            given = {**times, "host": registry, "asked": True, "images": list(map(str, repositories))}
            on_request = set(connection.execute(_ON_REQUEST, given).scalars())
            room_on_request = _room_on_request(connection, given)
            for repository in repositories[:room]:
                if str(repository) in on_request:
                    room_on_request -= 1
                    if room_on_request < 0:
                        continue
                row = {"image": str(repository), "is_asked": True, "registry": registry, **self._by_this()}
                if upsert(connection, CLAIMS, {**row, **times}, update=_TAKEN_OVER, where=_IS_OVER):
                    claimed.append(repository)
            return claimed

    def asked_for(self) -> set[Repository]:
        """Return the images that any process has claimed because somebody asked for a check. Raises StoreError."""
        with self._database.read() as connection:
            return set(kept_repositories(connection.execute(_HELD, self._times()).scalars()))

    def end(self, claims: Collection[Claim]) -> None:
        """End these claims of this process. Raises StoreError."""
        if claims:
            ordered = sorted((str(image), is_asked) for image, is_asked in claims)
            ends = [{"which": image, "asked": is_asked, "whose": this_process()} for image, is_asked in ordered]
            with self._database.write() as connection:
                connection.execute(_END, ends)

    def end_all(self) -> None:
        """End every claim of this process. Raises StoreError."""
        self._forget_of([this_process()])

    def renew(self) -> None:
        """Extend the claims of this process, and end the claims of dead processes. Raises StoreError."""
        with self._database.read() as connection:
            holders = set(connection.execute(_HOLDERS).scalars())
        self._forget_of(sorted(holder for holder in holders if not is_alive(holder)))
        if this_process() in holders:
            with self._database.write() as connection:
                given = {"its_holder": this_process(), "next_until": self._clock() + self._seconds}
                connection.execute(_RENEW, given)

    def _forget_of(self, holders: Iterable[str]) -> None:
        names = list(holders)
        if names:
            with self._database.write() as connection:
                connection.execute(delete(CLAIMS).where(CLAIMS.c.holder.in_(names)))

    def _room(
        self, connection: Connection, registry: str, wanted: int, times: dict[str, float], *, is_asked: bool
    ) -> int:
        """Return how many of the wanted images may be claimed.

        Return 0 while another process claims images of the registry and, for due images, while the registry is paused.
        """
        paused_until = connection.execute(_HOST, {"host": registry}).scalar_one_or_none()
        if paused_until is None:
            if not upsert(connection, HOSTS, {"host": registry, "paused_until": 0.0}):
                return 0
            paused_until = 0.0
        if not is_asked and times["now"] < paused_until <= times["now"] + LONGEST_PAUSE_SECONDS:
            return 0
        given = {**times, "host": registry, "asked": is_asked}
        in_hand: int = connection.execute(_IN_HAND, given).scalar_one()
        return min(wanted, _MOST_OF_A_REGISTRY - in_hand)

    def _times(self) -> dict[str, float]:
        now = self._clock()
        return {"now": now, "latest": now + 2 * self._seconds}

    def _by_this(self) -> dict[str, object]:
        return {"holder": this_process(), "until": self._clock() + self._seconds}


def _room_on_request(connection: Connection, given: Mapping[str, object]) -> int:
    """Return how many more images that only readers asked for may be claimed."""
    in_hand: int = connection.execute(_IN_HAND_ON_REQUEST, given).scalar_one()
    return _MOST_ON_REQUEST - in_hand


def _claim(connection: Connection, due: Select[Any], given: Mapping[str, object]) -> list[Repository]:
    claimed = upsert_selected(connection, CLAIMS, _COLUMNS, due, given, update=_TAKEN_OVER, returning=CLAIMS.c.image)
    return kept_repositories(claimed)
