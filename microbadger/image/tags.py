"""Chooses the most specific tag of a version, and the tags of an image to keep up to date."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from microbadger.image.reference import is_tag
from microbadger.image.releases import Release, highest_release, releases_among

LATEST = "latest"

# Tags that hold lists of referrers in registries without a referrers API (section "Referrers Tag Schema" of the
# specification) or, with a suffix, the signatures, attestations, SBOMs and sources of cosign and other tools.
_REFERRERS = re.compile(r"(?:sha(?:1|224|256|384|512)|blake[23][bs]?)-[0-9a-f]{32,}.*", re.ASCII)

_NO_DATES: Mapping[str, float] = MappingProxyType({})
_NEVER = float("-inf")


def is_version_tag(text: str) -> bool:
    """Return whether a text is a tag that names a version, and not signatures or other data about one.

    >>> is_version_tag("1.2.3"), is_version_tag("sha256-" + "0123456789abcdef" * 4 + ".sig")
    (True, False)
    """
    return is_tag(text) and _REFERRERS.fullmatch(text) is None


def most_specific(tags: Iterable[object], among: Iterable[object] = ()) -> str | None:
    """Return the most specific tag among several of one version, or None if none of them names a version.

    >>> most_specific({"latest", "3", "3.20", "3.20.1"})
    '3.20.1'
    """
    return next(iter(by_specificity(tags, among)), None)


def release_tag(tags_of_versions: Sequence[Sequence[str]]) -> str | None:
    """Return the most specific tag of the version with the highest release, or None if no version is a release.

    >>> release_tag([["3", "3.20", "latest"], ["3.21.0-rc1"]])
    '3.20'
    """
    all_tags = [tag for tags in tags_of_versions for tag in tags]
    highest = highest_release(filter(is_version_tag, all_tags))
    return next((most_specific(tags, all_tags) for tags in tags_of_versions if highest in tags), None)


def by_specificity(tags: Iterable[object], among: Iterable[object] = ()) -> list[str]:
    """Return the tags of one version, the most specific first, without tags that do not name versions.

    Releases without a suffix come first, then those with one, and in both groups those with the most numbers. Other
    tags follow, the longest first, and `latest` is the last. ``among`` are all tags of the image, which are needed to
    recognize its releases.
    """
    candidates = _version_tags(tags)
    if len(candidates) < 2:
        return candidates
    return ranked(candidates, releases_among([*candidates, *_version_tags(among)]))


def ranked(tags: Iterable[str], releases: Mapping[str, Release]) -> list[str]:
    """Return several tags of one version, the most specific first. ``releases`` are all releases of the image."""

    def specificity(tag: str) -> tuple[bool, bool, int, int, str, str]:
        release = releases.get(tag)
        if release is None:
            return tag != LATEST, False, 0, len(tag), "", tag
        return True, not release.suffix, len(release.numbers), len(tag), release.key, tag

    return sorted(tags, key=specificity, reverse=True)


def choose(
    available: Iterable[object],
    limit: int,
    *,
    kept: Collection[str] = (),
    wanted: Collection[str] = (),
    dated: Mapping[str, float] = _NO_DATES,
) -> list[str]:
    """Return the tags to keep up to date, the most important first.

    These are the `limit` most important tags, and all that are `kept` or `wanted`. `latest` comes first, then kept
    tags, wanted tags, releases from the highest, and the others from the newest by `dated` (Unix time by tag). Tags
    without a date count as the oldest. Equally old tags are in reverse order of ``available``, because most registries
    list the newest last. Tags that are not available, or do not name a version, are left out.
    """
    tags = _version_tags(available)
    must, may = frozenset(kept), frozenset(wanted)
    releases = {tag: release.key for tag, release in releases_among(tags).items()}
    newest_first = sorted(tags, key=lambda tag: dated.get(tag, _NEVER))
    newest_first.reverse()
    by_release = sorted(newest_first, key=lambda tag: releases.get(tag, ""), reverse=True)
    ranked = sorted(by_release, key=lambda tag: (tag != LATEST, tag not in must, tag not in may))
    return [tag for place, tag in enumerate(ranked) if place < limit or tag in must or tag in may]


def _version_tags(texts: Iterable[object]) -> list[str]:
    """Return each tag that names a version once. Registries also list nulls, digests and signatures."""
    unique = dict.fromkeys(text for text in texts if isinstance(text, str))
    return [text for text in unique if is_version_tag(text)]
