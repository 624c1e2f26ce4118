"""Finds the release that users of a tag can update to.

A tag with few numbers is a *line* and moves: `1.3` names the newest `1.3.x`. So only another line such as `1.4` is an
update, unless the digests show that `1.3` no longer follows its line. A tag that is not a release, such as `latest`,
counts as the release with the same digest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from microbadger.image.releases import Release, releases_among, releases_beside
from microbadger.image.tags import most_specific
from microbadger.image.variants import Variant, variant_of

_MIN_BUILD_DIGITS = 5


@dataclass(frozen=True, slots=True)
class _Version:
    """A release that can be compared. ``is_build`` is true for a date or a build number instead of a version."""

    tag: str
    numbers: tuple[int, ...]
    variant: Variant
    is_final: bool
    is_build: bool

    @classmethod
    def of(cls, tag: str, release: Release) -> "_Version":
        is_build = release.is_stamp or len(release.numbers[0]) >= _MIN_BUILD_DIGITS
        return cls(tag, tuple(map(int, release.numbers)), variant_of(release), not release.is_pre_release, is_build)

    def is_like(self, other: "_Version") -> bool:
        """Return whether two versions can be compared."""
        return self.variant.name == other.variant.name and self.is_build == other.is_build

    def is_newer_than(self, other: "_Version") -> bool:
        """Return whether this version is an update of the other. A line such as `1.3` and `1.3.2` are not ordered."""
        mine, others = self.numbers, other.numbers
        if mine != others and not _is_one_line(mine, others):
            return mine > others
        if self.is_final and not other.is_final:
            return not any(others[len(mine) :])  # 2.0 is newer than 2.0.0-rc1, but may be older than 2.0.1-rc1
        if mine != others or self.is_final != other.is_final:
            return False
        if self.variant.pre_release != other.variant.pre_release:
            return self.variant.pre_release > other.variant.pre_release
        one, another = self.variant.revision, other.variant.revision
        return self.variant.edition == other.variant.edition and one > another and not _is_one_line(one, another)

    def may_name(self, other: "_Version") -> bool:
        """Return whether this tag, which may move, can name the same version as the other tag."""
        is_line = _begins_with(other.numbers, self.numbers)
        is_marked_so = self.variant.pre_release == other.variant.pre_release
        return is_line and is_marked_so and _begins_with(other.variant.revision, self.variant.revision)


def update_for(tag: str, digests: Mapping[str, str], *, pre_releases: bool = False) -> str | None:
    """Return the newest release in the variant of a tag, or the tag itself if none is newer; None if it is unknown.

    ``digests`` has the digest of every tag of the image. Pre-releases count if ``pre_releases`` is set or the tag is
    one itself. If the newest release has several tags, the result is the one with as many numbers as the tag, or else
    the most specific one.

    >>> update_for("1.3.2-alpine", {"1.3.2-alpine": "a", "1.4.0-alpine": "b", "1.4-alpine": "b", "1.5.0": "c"})
    '1.4.0-alpine'
    """
    siblings = [sibling for sibling, digest in digests.items() if digest and digest == digests.get(tag)]
    versions = _versions(tuple(digests))
    if tag not in versions:
        versions = _described(releases_beside(tag, digests)) or versions
    asked = versions.get(tag) or versions.get(most_specific(siblings, digests) or "")
    if asked is None:
        return None
    alike = [version for version in versions.values() if version.is_like(asked)]
    named = [version for version in alike if version.tag in siblings and asked.may_name(version)]
    actual = max(named, key=lambda version: (version.numbers, version.variant.revision), default=asked)
    newer = [version for version in alike if version.is_newer_than(actual)]
    if not pre_releases and actual.is_final:
        newer = [version for version in newer if version.is_final]
    return _newest(newer, asked) if newer else tag


@lru_cache(16)
def _versions(tags: tuple[str, ...]) -> dict[str, _Version]:
    return _described(releases_among(tags))


def _described(releases: Mapping[str, Release]) -> dict[str, _Version]:
    return {tag: _Version.of(tag, release) for tag, release in releases.items()}


def _newest(versions: Collection[_Version], asked: _Version) -> str:
    """Return the tag of the newest version. If it has several, return the one most similar to the tag asked about."""

    def age(version: _Version) -> tuple[object, ...]:
        variant = version.variant
        is_same_edition = variant.edition == asked.variant.edition
        return (
            *(version.numbers, version.is_final, variant.pre_release),
            *(is_same_edition, variant.edition, variant.revision),
        )

    def resemblance(version: _Version) -> tuple[object, ...]:
        has_as_many = len(version.numbers) == len(asked.numbers)
        is_as_revised = len(version.variant.revision) == len(asked.variant.revision)
        return has_as_many, is_as_revised, age(version)

    newest = max(versions, key=age)
    its_tags = [each for each in versions if each.variant.edition == newest.variant.edition and each.may_name(newest)]
    return max(its_tags, key=resemblance).tag


def _is_one_line(one: Sequence[int], other: Sequence[int]) -> bool:
    return _begins_with(one, other) or _begins_with(other, one)


def _begins_with(numbers: Sequence[int], first: Sequence[int]) -> bool:
    return numbers[: len(first)] == first
