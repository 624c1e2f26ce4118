"""Chooses the tag that names a version best, and the tags that are kept fresh."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from microbadger.image.reference import is_tag
from microbadger.image.releases import Release, highest_release, releases_among

LATEST = "latest"

# What registries without a referrers API keep as tags (section "Referrers Tag Schema" of the specification), and what
# cosign and others keep with a suffix: signatures, attestations, bills of materials, sources.
_REFERRERS = re.compile(r"(?:sha(?:1|224|256|384|512)|blake[23][bs]?)-[0-9a-f]{32,}.*", re.ASCII)

_NO_DATES: Mapping[str, float] = MappingProxyType({})
_NEVER = float("-inf")


def is_version_tag(text: str) -> bool:
    """Return whether a text is a tag that names a version, not what registries keep about one.

    >>> is_version_tag("1.2.3"), is_version_tag("sha256-" + "0123456789abcdef" * 4 + ".sig")
    (True, False)
    """
    return is_tag(text) and _REFERRERS.fullmatch(text) is None


def most_specific(tags: Iterable[object], among: Iterable[object] = ()) -> str | None:
    """Return the most specific of several tags of one version, None if none is the tag of an image.

    >>> most_specific({"latest", "3", "3.20", "3.20.1"})
    '3.20.1'
    """
    return next(iter(by_specificity(tags, among)), None)


def release_tag(tags_of_versions: Sequence[Sequence[str]]) -> str | None:
    """Return the most specific tag of the version that is the highest release; None if no version is a release.

    >>> release_tag([["3", "3.20", "latest"], ["3.21.0-rc1"]])
    '3.20'
    """
    all_tags = [tag for tags in tags_of_versions for tag in tags]
    highest = highest_release(filter(is_version_tag, all_tags))
    return next((most_specific(tags, all_tags) for tags in tags_of_versions if highest in tags), None)


def by_specificity(tags: Iterable[object], among: Iterable[object] = ()) -> list[str]:
    """Return those of several tags of one version that are tags of an image, the most specific one first.

    That is the release with the most numbers, preferably without a suffix; else the longest tag; `latest` last.
    ``among`` are all tags of the image, which show what its releases are.
    """
    candidates = _version_tags(tags)
    if len(candidates) < 2:
        return candidates
    return ranked(candidates, releases_among([*candidates, *_version_tags(among)]))


def ranked(tags: Iterable[str], releases: Mapping[str, Release]) -> list[str]:
    """Return several tags of one version, the most specific one first; ``releases`` are those of the image."""

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
    """Return the tags to keep fresh, the most important first: the first `limit`, and all that are `kept` or `wanted`.

    `latest` comes first, then kept tags, wanted tags, releases from the highest, and the others from the newest by
    `dated` (Unix time by tag). Tags without a date count as the oldest; of equally old ones the last available come
    first, as most registries list the newest last. What is not available, or is not the tag of a version, is left out.
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
    """Return each tag of a version once; registries also list nulls, digests and signatures."""
    unique = dict.fromkeys(text for text in texts if isinstance(text, str))
    return [text for text in unique if is_version_tag(text)]
