"""Records when this service first saw each digest of an image, and each tag name it.

Registries do not provide these times. Such a record is called a *sight*. It is exact if an earlier check shows that the
tag did not name the digest then. Otherwise the true time may be earlier. This is so for everything at the first check
of an image, and for a tag that existed before but is only kept from now on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from microbadger.image.documents import (
    ImageDocument,
    TagDocument,
    VersionDocument,
    format_time,
    ordered,
    tags_of,
)
from microbadger.image.fields import read_time

Sighting = tuple[str, str]
"""A tag and a digest that it names. An empty tag stands for the digest itself."""


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """When a digest or tag was first seen, and whether it is known not to have existed before."""

    seen_at: datetime
    is_exact: bool


def sights_in(image: ImageDocument) -> dict[Sighting, FirstSeen]:
    """Return the sights in the document of an image."""
    sights = {}
    for version in image["Versions"]:
        for tag, document in [("", version), *((tag["tag"], tag) for tag in version["Tags"])]:
            if seen_at := read_time(document.get("FirstSeen")):
                sights[tag, version["Digest"]] = FirstSeen(seen_at, document.get("FirstSeenIsExact", True))
    return sights


def new_sights(
    versions: Iterable[VersionDocument], before: ImageDocument | None, known: Collection[str], now: datetime
) -> dict[Sighting, FirstSeen]:
    """Return a sight of each digest and each tag of an image, as if it were first seen now.

    ``before`` is the document after the last check. ``known`` are all tags that the registry had then, including those
    that this service did not keep. A tag that was not kept may have named any digest.
    """
    last = {tag: version["Digest"] for version in before["Versions"] for tag in tags_of(version)} if before else {}
    all_were_listed = before is not None and "TagCount" in before
    all_were_kept = last.keys() >= set(known)

    def is_new(tag: str, digest: str) -> bool:
        if tag in last:
            return last[tag] not in ("", digest)
        return all_were_listed and tag not in known

    sights = {}
    for version in versions:
        if digest := version["Digest"]:
            are_new = {tag: is_new(tag, digest) for tag in tags_of(version)}
            for tag, is_exact in {"": all_were_kept and all(are_new.values()), **are_new}.items():
                sights[tag, digest] = FirstSeen(now, is_exact)
    return sights


def with_first_seen(version: VersionDocument, sights: Mapping[Sighting, FirstSeen]) -> VersionDocument:
    """Return a version with the times when its digest and each of its tags were first seen."""
    digest = version["Digest"]
    seen = version.copy()
    _write(seen, sights.get(("", digest)))
    seen["Tags"] = [TagDocument(tag=tag) for tag in tags_of(version)]
    for document in seen["Tags"]:
        _write(document, sights.get((document["tag"], digest)))
    return version if seen == version else ordered(VersionDocument, seen)


def _write(document: VersionDocument | TagDocument, sight: FirstSeen | None) -> None:
    document.pop("FirstSeen", None)
    document.pop("FirstSeenIsExact", None)
    if sight:
        document["FirstSeen"] = format_time(sight.seen_at)
        if not sight.is_exact:
            document["FirstSeenIsExact"] = False
