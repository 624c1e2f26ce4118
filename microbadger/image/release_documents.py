"""Lists the releases of an image, in the format of Renovate's custom datasource, with the time each was first seen.

https://docs.renovatebot.com/modules/datasource/custom/ describes the fields. Renovate can hold an update back until it
has a certain age, but registries do not say how old a tag is. ``releaseTimestamp`` is when this service first saw the
tag name its current digest, so a tag that is pushed again counts as new.
"""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from microbadger.image.documents import ImageDocument, VersionDocument, tags_of, versions_by_tag
from microbadger.image.labels import release_url
from microbadger.image.releases import Release, releases_among
from microbadger.image.tags import is_version_tag, ranked
from microbadger.image.version_facts import facts_of


class ReleaseDocument(TypedDict):
    version: str
    releaseTimestamp: NotRequired[str]
    digest: str
    isStable: bool
    sourceUrl: NotRequired[str]
    changelogUrl: NotRequired[str]


class ReleasesDocument(TypedDict):
    """The releases of an image, the highest first. ``tags`` maps each moving tag to the release that it names now."""

    releases: list[ReleaseDocument]
    sourceUrl: NotRequired[str]
    homepage: str
    tags: dict[str, str]


def releases_document(image: ImageDocument, homepage: str) -> ReleasesDocument:
    """Return the releases among the tags of an image whose digest is known."""
    versions = versions_by_tag(image)
    releases = releases_among(filter(is_version_tag, versions))
    moving = {tag: now for tag, version in versions.items() if (now := _moves_to(tag, version, releases))}
    highest_first = sorted(releases, key=lambda tag: (releases[tag].key, tag), reverse=True)
    document = ReleasesDocument(
        releases=[_release(tag, releases[tag], versions[tag], is_moving=tag in moving) for tag in highest_first],
        homepage=homepage,
        tags=dict(sorted(moving.items())),
    )
    if "Source" in image:
        document["sourceUrl"] = image["Source"]
    return document


def _moves_to(tag: str, version: VersionDocument, releases: Mapping[str, Release]) -> str | None:
    """Return the most specific release that a moving tag such as ``latest`` or ``1.2`` names now, or None."""
    release = next(iter(ranked(filter(releases.__contains__, tags_of(version)), releases)), None)
    if release is None or not is_version_tag(tag):
        return None
    is_short = tag in releases and len(releases[tag].numbers) < len(releases[release].numbers)
    return release if tag not in releases or is_short else None


def _release(tag: str, release: Release, version: VersionDocument, *, is_moving: bool) -> ReleaseDocument:
    document = ReleaseDocument(version=tag, digest=version["Digest"], isStable=not release.is_pre_release)
    if first_seen := next(each.get("FirstSeen") for each in version["Tags"] if each["tag"] == tag):
        document["releaseTimestamp"] = first_seen
    if source := version.get("Source"):
        document["sourceUrl"] = source
        is_variant = release.suffix and not release.is_pre_release
        if not (is_moving or is_variant or release.is_stamp) and (url := release_url(source, _git_tag(tag, version))):
            document["changelogUrl"] = url
    return document


def _git_tag(tag: str, version: VersionDocument) -> str:
    """Return the Git tag for an image's tag, with a ``v`` in front if the version label has one."""
    label = facts_of(version).version
    return label if label == f"v{tag}" else tag
