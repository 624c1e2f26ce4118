"""Chooses the tag that names a version best, and the tags that are kept fresh.

The specification gives tags a grammar and no meaning
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section "Pulling manifests").
So tags that look like releases are put in order, and the others stay in the order of the registry.

A *release* is a number such as `3.20.1`, with or without `v` before it and with any suffix: `1.2.3-rc1`
comes before `1.2.3`, and `1.2.3-alpine` is the same release in another variant. A short release moves:
`3.20` names the last release of `3.20.something`, so it counts as the newest of those. A number without
dots that is as long as a date or a build number counts as older than any release.
"""

import re
from collections.abc import Collection, Iterable

from microbadger.image.reference import is_tag

LATEST = "latest"

# What registries without a referrers API keep as tags (section "Referrers Tag Schema"), and signatures.
_REFERRERS_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?", re.ASCII)

_RELEASE = re.compile(r"[vV]?(?P<numbers>[0-9]++(?:\.[0-9]++)*+)(?P<suffix>.*)", re.ASCII)
_PRE_RELEASE = re.compile(
    r"(?:^|[._-])(?:alpha|beta|canary|cr|dev|ea|m|milestone|nightly|pre|preview|rc|snapshot|unstable)"
    r"[._-]?[0-9]*(?:$|[._-])"
    r"|^[abc][0-9]+(?:$|[._-])",  # as Python writes it: 3.13.0a1
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_WITHOUT_SEPARATORS = str.maketrans("", "", "._-")
_MIN_STAMP_DIGITS = 5  # 20240105, 1704412800 or 12345 is a date, a time or a build; 2024 is a release

# In a release key each number follows its length, so that keys compare as the numbers do, whatever their length.
# The end of the numbers compares below or above all lengths: a pre-release comes before every longer number, a
# release after it, and the variants of a release just before the release itself.
_LENGTH_ZERO = 0x100
_PRE_RELEASE_END, _VARIANT_END, _RELEASE_END = "\x00", "\u0200", "\u0201"
_STAMP, _DOTTED_OR_SHORT = "0", "1"


def most_specific(tags: Iterable[object]) -> str | None:
    """Return the most specific of several tags of one version, None if none is the tag of an image.

    That is the release with the most numbers, preferably without a suffix; else the longest tag; `latest` last.

    >>> most_specific({"latest", "3", "3.20", "3.20.1"})
    '3.20.1'
    """
    return max(_tags_of_images(tags), key=_specificity, default=None)


def choose(
    available: Iterable[object], limit: int, *, kept: Collection[str] = (), wanted: Collection[str] = ()
) -> list[str]:
    """Return the tags to keep fresh, the most important first: the first `limit`, and all that are `kept`.

    `latest` comes first, then kept tags, wanted tags, releases from the newest, and the others in the order of the
    registry. Tags that are not available, or are not tags of an image, are left out.
    """
    must, may = frozenset(kept), frozenset(wanted)
    newest_first = sorted(_tags_of_images(available), key=lambda tag: release_key(tag) or "", reverse=True)
    ranked = sorted(newest_first, key=lambda tag: (tag != LATEST, tag not in must, tag not in may))
    return [tag for place, tag in enumerate(ranked) if place < limit or tag in must]


def release_key(tag: str) -> str | None:
    """Return a sort key that orders tags as their releases, None if the tag is not a release."""
    release = _numbers_and_suffix(tag)
    if release is None:
        return None
    numbers, suffix = release
    is_stamp = len(numbers) == 1 and len(numbers[0]) >= _MIN_STAMP_DIGITS
    group = _STAMP if is_stamp else _DOTTED_OR_SHORT
    return group + "".join(map(_comparable, numbers)) + _end(suffix) + _comparable_suffix(suffix)


def _tags_of_images(texts: Iterable[object]) -> list[str]:
    """Return each tag of an image once; registries also list nulls, digests and signatures."""
    unique = dict.fromkeys(text for text in texts if isinstance(text, str))
    return [text for text in unique if is_tag(text) and not _REFERRERS_TAG.fullmatch(text)]


def _specificity(tag: str) -> tuple[bool, bool, int, int, str, str]:
    release = _numbers_and_suffix(tag)
    is_plain = release is not None and not release[1]
    return tag != LATEST, is_plain, len(release[0]) if release else 0, len(tag), release_key(tag) or "", tag


def _numbers_and_suffix(tag: str) -> tuple[list[str], str] | None:
    """Split a tag into the numbers of its release and its suffix, None if it is not a release.

    A number without a dot that a letter follows is not a release: `7f3a2b1` is a commit.
    """
    match = _RELEASE.fullmatch(tag) if is_tag(tag) else None
    if match is None:
        return None
    numbers, suffix = match["numbers"].split("."), match["suffix"]
    if len(numbers) == 1 and suffix and suffix[0] not in "._-":
        return None
    return numbers, suffix


def _end(suffix: str) -> str:
    if not suffix:
        return _RELEASE_END
    return _PRE_RELEASE_END if _PRE_RELEASE.search(suffix) else _VARIANT_END


def _comparable_suffix(suffix: str) -> str:
    numbered = _NUMBER.sub(lambda number: _comparable(number[0]), suffix.lower())
    return numbered.translate(_WITHOUT_SEPARATORS)


def _comparable(number: str) -> str:
    digits = number.lstrip("0")
    return chr(_LENGTH_ZERO + len(digits)) + digits
