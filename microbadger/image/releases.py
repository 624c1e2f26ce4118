"""Recognizes the tags of an image that are releases, and orders them.

The specification defines a grammar for tags, but no meaning
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section "Pulling manifests").

A *release* is a number such as `3.20.1`, with an optional `v` before it and any suffix. `1.2.3-rc1` comes before
`1.2.3`, and `1.2.3-alpine` is the same release in another variant. Short releases move: `3.20` names the last release
of its line, so it counts as newer than `3.20.1`. Dates, and numbers without dots that are as long as a date or a build
number, are *stamps* and count as older than any release.

All releases of an image have the same *prefix*: none, or a word such as `release-` if most tags with this prefix are
releases. So `debian-12` beside `1.0` is not a release, and neither is a commit that consists of digits.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from microbadger.image.reference import is_tag

_TAG = re.compile(
    r"(?P<prefix>|[A-Za-z]+|[A-Za-z][A-Za-z_.-]*?[._-])[vV]?(?P<numbers>[0-9]++(?:\.[0-9]++)*+)(?P<suffix>.*)", re.ASCII
)
PRE_RELEASE = re.compile(
    r"(?:^|[._-])(?:alpha|beta|canary|cr|dev|ea|m|milestone|nightly|pre|preview|rc|snapshot|unstable)"
    r"[._-]?[0-9]*(?:$|[._-])"
    r"|^[abc][0-9]+(?:$|[._-])",  # Python's form: 3.13.0a1
    re.ASCII | re.IGNORECASE,
)
"""The marks of a pre-release, before or after the numbers of a release."""

_PRE_RELEASE_WORD = re.compile(r"(?:alpha|beta|dev|pre|rc)[._-]?[0-9]", re.ASCII | re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_MONTH_AND_DAY = re.compile(r"[_-][0-9]{2}[_-][0-9]{2}(?![0-9])", re.ASCII)
_SEPARATORS = re.compile(r"[._-]+")
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_WITHOUT_SEPARATORS = str.maketrans("", "", "._-")

_NON_RELEASE_PREFIXES = frozenset({"cache", "commit", "git", "mr", "pr", "pull", "sha"})
_MOST_PREFIXES_TRIED = 10  # an untrusted list can have thousands
_PLAIN_PREFERENCE = 4  # so that 1.0 is the release even beside a few tags such as debian-11 and debian-12
_YEAR_DIGITS = 4
_MIN_STAMP_DIGITS = 5  # 20240105, 1704412800 or 12345 is a date, a time or a build; 2024 is a release

# In a release key, the length of each number precedes its digits, so that keys compare like the numbers. The end of the
# numbers compares below or above all lengths: a pre-release comes before every release with more numbers, a release
# after these, and the variants of a release just before the release itself.
_LENGTH_ZERO = 0x100
_PRE_RELEASE_END, _VARIANT_END, _RELEASE_END = "\x00", "\u0200", "\u0201"
_STAMP, _DOTTED_OR_SHORT = "0", "1"


@dataclass(frozen=True, slots=True)
class Release:
    """A tag that is a release: its prefix, its numbers and its suffix."""

    prefix: str
    numbers: tuple[str, ...]
    suffix: str

    @property
    def key(self) -> str:
        """The sort key for the releases of an image."""
        group = _STAMP if self.is_stamp else _DOTTED_OR_SHORT
        return group + "".join(map(_comparable, self.numbers)) + self._end + comparable_text(self.suffix)

    @property
    def is_stamp(self) -> bool:
        """Whether it is a date, a time or a build number instead of a version."""
        digits = len(self.numbers[0])
        is_date = digits == _YEAR_DIGITS and _MONTH_AND_DAY.match(self.suffix)
        return len(self.numbers) == 1 and (digits >= _MIN_STAMP_DIGITS or bool(is_date))

    @property
    def is_pre_release(self) -> bool:
        return any(PRE_RELEASE.search(part) for part in (self.prefix, self.suffix) if part)

    @property
    def _end(self) -> str:
        if self.is_pre_release:
            return _PRE_RELEASE_END
        return _VARIANT_END if self.suffix else _RELEASE_END


def releases_among(tags: Iterable[str]) -> dict[str, Release]:
    """Return the releases among all tags of an image, by tag."""
    tags = list(dict.fromkeys(tags))
    groups = _by_prefix(tags)
    likely = sorted(groups, key=lambda prefix: _weight(prefix, groups[prefix]), reverse=True)[:_MOST_PREFIXES_TRIED]
    return next((groups[prefix] for prefix in likely if _is_common(prefix, groups[prefix], tags)), {})


def releases_beside(tag: str, tags: Iterable[str]) -> dict[str, Release]:
    """Return the releases with the prefix of a tag, even if the image's releases have another prefix.

    An example is `jammy-20240227` beside `22.04`. They must have dots or a date, so `debian-12` does not count.
    """
    tags = list(dict.fromkeys([*tags, tag]))
    release = _parse(tag)
    if release is None or not release.prefix:
        return {}
    group = _by_prefix(tags)[release.prefix]
    certain = {tag: release for tag, release in group.items() if release.is_stamp or len(release.numbers) > 1}
    return certain if tag in certain and _is_common(release.prefix, group, tags) else {}


def highest_release(tags: Iterable[str]) -> str | None:
    """Return the highest release that is not a pre-release, the first among equal ones; None if there is none.

    A variant with a short number, such as `1-alpine`, does not count as higher than a release without a suffix, such as
    `1.2.3`.
    """
    final = {tag: release for tag, release in releases_among(tags).items() if not release.is_pre_release}
    highest = _highest(final)
    if highest is None or not final[highest].suffix:
        return highest
    numbers = final[highest].numbers
    of_its_line = {tag: release for tag, release in final.items() if release.numbers[: len(numbers)] == numbers}
    return _highest({tag: release for tag, release in of_its_line.items() if not release.suffix}) or highest


def _highest(releases: Mapping[str, Release]) -> str | None:
    return max(releases, key=lambda tag: releases[tag].key, default=None)


@lru_cache(10_000)
def _parse(tag: str) -> Release | None:
    """Return a tag as a release, regardless of the image's other tags, or None if it cannot be a release.

    A number without dots before a letter is not a release, because `7f3a2b1` is a commit. `17rc1` is an exception.
    """
    match = _TAG.fullmatch(tag) if is_tag(tag) else None
    if match is None:
        return None
    prefix, numbers, suffix = match["prefix"], match["numbers"].split("."), match["suffix"]
    is_commit = len(numbers) == 1 and suffix[:1].isalpha() and not _PRE_RELEASE_WORD.match(suffix)
    if is_commit or (prefix and _COMMIT.fullmatch(tag)):
        return None
    return Release(prefix, tuple(numbers), suffix)


def _by_prefix(tags: Sequence[str]) -> dict[str, dict[str, Release]]:
    groups: dict[str, dict[str, Release]] = {}
    for tag in tags:
        if release := _parse(tag):
            groups.setdefault(release.prefix, {})[tag] = release
    groups[""] = _without_commits(groups.get("", {}), tags)
    return groups


def _without_commits(plain: Mapping[str, Release], tags: Sequence[str]) -> dict[str, Release]:
    """Return the releases without those that look like commits, if at least half of all such tags have letters."""
    commits = [tag for tag in tags if _COMMIT.fullmatch(tag)]
    numbers = sum(tag.isdigit() for tag in commits)
    if 2 * numbers > len(commits) or not commits:
        return dict(plain)
    return {tag: release for tag, release in plain.items() if not _COMMIT.fullmatch(tag)}


def _weight(prefix: str, group: Mapping[str, Release]) -> tuple[int, int, bool]:
    final = [release for release in group.values() if not release.is_pre_release]
    weight = len(final)
    if not prefix:
        weight += (_PLAIN_PREFERENCE - 1) * sum(not release.is_stamp for release in final)
    return weight, len(group), not prefix


def _is_common(prefix: str, group: Mapping[str, Release], tags: Sequence[str]) -> bool:
    if not prefix:
        return bool(group)
    words = _SEPARATORS.split(prefix.lower())
    is_one_build = len(group) == 1 and all(len(release.numbers) == 1 for release in group.values())
    if is_one_build or not _NON_RELEASE_PREFIXES.isdisjoint(words):
        return False
    return 2 * len(group) > sum(tag.startswith(prefix) for tag in tags)


def comparable_text(suffix: str) -> str:
    """Return a sort key for a suffix: without separators, and with numbers that compare by value."""
    numbered = _NUMBER.sub(lambda number: _comparable(number[0]), suffix.lower())
    return numbered.translate(_WITHOUT_SEPARATORS)


def _comparable(number: str) -> str:
    digits = number.lstrip("0")
    return chr(_LENGTH_ZERO + len(digits)) + digits
