"""Describes images and their versions: makes the published documents from manifests, configs and labels.

The *current version* of an image is the version that `latest` names, or else its highest release, or else the newest
one. The document of an image repeats the fields of its current version at the top level.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain

from microbadger.image.artifact_manifests import ArtifactManifest
from microbadger.image.bounds import MAX_DOCUMENT_BYTES, bounded_texts, size_bytes
from microbadger.image.documents import (
    ChartDocument,
    HubDetails,
    ImageDocument,
    PlatformDocument,
    TagDocument,
    VersionDocument,
    format_time,
    image_name,
    ordered,
    sha_of,
    tags_of,
)
from microbadger.image.errors import UnsupportedManifest
from microbadger.image.fields import read_time
from microbadger.image.parameters import listed_parameters
from microbadger.image.platforms import PlatformImage, describe_layers, describe_platform, distinct, main_platform
from microbadger.image.reference import DOCKER_HUB, Repository
from microbadger.image.releases import highest_release, releases_among
from microbadger.image.tags import LATEST, is_version_tag, most_specific, ranked
from microbadger.image.version_facts import add_facts, facts_of

# Fields that are in a version's own document, but not in the document of its image.
_DETAILS = frozenset({"Layers", "DiffIDs", "ConfigDigest"})
_TOO_LARGE = "the document would be too large"
_ROOM_FOR_RELATIVES_BYTES = 256 * 1024
_LEAST_SHARE_BYTES = 16 * 1024
_UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)
_VERSION_FIELDS_ON_TOP = (
    *("Author", "LayerCount", "DownloadSize", "Labels", "Digest", "MediaType"),
    *("Platforms", "Annotations", "Source", "Base", "Config", "Provenance", "SBOM", "Signatures", "UnreadClaims"),
    *("EndOfLife", "Chart", "FirstSeen", "FirstSeenIsExact", "Cut"),
)


def describe_version(
    repository: Repository,
    digest: str,
    media_type: str,
    images: Sequence[PlatformImage],
    index_annotations: Mapping[str, str] | None = None,
) -> VersionDocument:
    """Return the document of one version, with the layers of its main platform at the top level.

    ``images`` must not be empty. If there are several, each platform also has its own labels and layers. The version is
    ``Unread`` if no platform was read completely, and ``Unsupported`` if none turns out to be an image.
    """
    of_index = index_annotations or {}
    images = [image for image in distinct(images) if image.is_image] or images
    main = main_platform(images)
    if not main.is_image and main.manifest:
        reason = str(UnsupportedManifest(main.manifest.kind))
        return outline_version(repository, digest, media_type, unsupported=reason)
    version = outline_version(repository, digest, media_type, unread=main.why_unread)
    version["Author"] = main.author
    version["LayerCount"] = main.layer_count
    version["DownloadSize"] = main.size_bytes
    version["Layers"] = describe_layers(main)
    cut = [*main.cut]
    annotations, cut_annotations = bounded_texts(main.annotations(of_index), "annotations")
    cut += [cut_annotations] if cut_annotations else []
    if main.config and len(main.config.diff_ids) == main.layer_count > 0:
        version["DiffIDs"] = list(main.config.diff_ids)
    if main.parameters is not None:
        version["Config"] = main.parameters
    if main.config_digest:
        version["ConfigDigest"] = main.config_digest
    if created := main.created(of_index):
        version["Created"] = format_time(created)
    if main.labels:
        version["Labels"] = dict(main.labels)
    if annotations:
        version["Annotations"] = annotations
    add_facts(version)
    room = MAX_DOCUMENT_BYTES - _ROOM_FOR_RELATIVES_BYTES - size_bytes(version)
    version["Platforms"], cut_platforms = _bounded_platforms(images, of_index, room)
    if cut := [*cut, *cut_platforms]:
        version["Cut"] = cut
    return ordered(VersionDocument, version)


def _bounded_platforms(
    images: Sequence[PlatformImage], of_index: Mapping[str, str], room_bytes: int
) -> tuple[list[PlatformDocument], list[str]]:
    """Return the platforms that fit, and sentences about what is left out: details first, then whole platforms."""
    platforms = [describe_platform(image, of_index, with_details=False) for image in images]
    sizes = list(accumulate(size_bytes(platform) + 1 for platform in platforms))
    count = sum(size <= room_bytes for size in sizes)
    if count < len(platforms):
        return platforms[:count], [f"{len(platforms) - count} of {len(platforms)} platforms are left out: {_TOO_LARGE}"]
    if len(images) == 1:
        return platforms, []
    room_bytes, without = room_bytes - sizes[-1], 0
    for number, image in enumerate(images):
        detailed = describe_platform(image, of_index, with_details=True)
        more = size_bytes(detailed) - size_bytes(platforms[number])
        if more <= room_bytes:
            platforms[number], room_bytes = detailed, room_bytes - more
        else:
            without += 1
    return platforms, [f"The details of {without} platforms are left out: {_TOO_LARGE}"] if without else []


def outline_version(
    repository: Repository,
    digest: str,
    media_type: str = "",
    *,
    size_bytes: int = 0,
    unsupported: str = "",
    unread: str = "",
) -> VersionDocument:
    """Return the document of a version that was not read or cannot be described, with the reason."""
    version = VersionDocument(
        SHA=sha_of(digest),
        Tags=[],
        ImageName=image_name(repository),
        Author="",
        LayerCount=0,
        DownloadSize=size_bytes,
        Digest=digest,
        MediaType=media_type,
        Platforms=[],
    )
    if unsupported:
        version["Unsupported"] = unsupported
    if unread:
        version["Unread"] = unread
    return version


def describe_artifact(
    outline: VersionDocument, artifact: ArtifactManifest, chart: ChartDocument | None = None
) -> VersionDocument:
    """Return the outline of an artifact with the size and annotations of its manifest and, for a chart, its fields."""
    version = outline.copy()
    version["DownloadSize"] = sum({blob.digest: blob.size_bytes for blob in artifact.blobs}.values())
    annotations, cut = bounded_texts(artifact.annotations, "annotations")
    if annotations:
        version["Annotations"] = annotations
    if cut:
        version["Cut"] = [cut]
    if chart is not None:
        version["Chart"] = chart
    add_facts(version)
    return ordered(VersionDocument, version)


def describe_image(
    repository: Repository,
    versions: Iterable[VersionDocument],
    *,
    updated_at: datetime,
    webhook_url: str | None = None,
    hub: HubDetails | None = None,
    tag_count: int | None = None,
) -> ImageDocument:
    """Return the document of an image with these versions, newest first, without their layers.

    ``updated_at`` is when the document last changed, and ``tag_count`` is the number of tags in the registry. Versions
    with the same or no creation time are ordered by when they were first seen, and then by release.
    """
    listed = [_without_layers(version) for version in versions]
    releases = releases_among(filter(is_version_tag, chain.from_iterable(map(tags_of, listed))))

    def age(version: VersionDocument) -> tuple[datetime, datetime, str, str]:
        release = releases.get(next(iter(ranked(tags_of(version), releases)), ""))
        first_seen = read_time(version.get("FirstSeen")) or _UNKNOWN_TIME
        return _creation(version), first_seen, release.key if release else "", version["SHA"]

    newest_first = _bounded_versions(sorted(listed, key=age, reverse=True))
    current = current_version(newest_first)
    hub = hub or HubDetails()
    image = ImageDocument(
        LatestSHA=current["SHA"] if current else "",
        UpdatedAt=format_time(updated_at),
        Versions=newest_first,
        ImageName=image_name(repository),
        Registry=repository.registry,
        Repository=repository.path,
    )
    optional = {
        "WebhookURL": webhook_url,
        "Description": hub.description or _description_in_labels(current),
        "LastUpdated": format_time(hub.last_updated) if hub.last_updated else _first_creation(newest_first),
        "PullCount": hub.pull_count,
        "StarCount": hub.star_count,
        "ImageURL": _image_url(repository),
        "TagCount": tag_count,
    }
    image.update({key: value for key, value in optional.items() if value is not None})  # type: ignore[typeddict-item]
    if current:
        image.update(_on_top(current, newest_first))
    return ordered(ImageDocument, image)


def shown_at(image: ImageDocument, tag: str) -> ImageDocument | None:
    """Return the document with the fields of a tag's version at the top level, or None if no version has the tag."""
    version = next((version for version in image["Versions"] if tag in tags_of(version)), None)
    if version is None:
        return None
    shown = image.copy()
    for field in _VERSION_FIELDS_ON_TOP:
        shown.pop(field, None)  # type: ignore[misc]
    shown.update(_on_top(version, image["Versions"]))
    return ordered(ImageDocument, shown)


def hub_details(image: ImageDocument) -> HubDetails:
    """Return the details from Docker Hub in a document, so that they are kept while Docker Hub does not answer."""
    on_docker_hub = "PullCount" in image
    return HubDetails(
        image.get("Description") if on_docker_hub else None,
        datetime.fromisoformat(image["LastUpdated"]) if on_docker_hub and "LastUpdated" in image else None,
        image.get("PullCount"),
        image.get("StarCount"),
    )


def current_version(versions: Sequence[VersionDocument]) -> VersionDocument | None:
    """Return the version that ``latest`` names, or the highest release, or the newest; None if there are no versions.

    Among equally new versions the first one counts. In the document of an image, it is the one first seen last.
    """
    by_tag: dict[str, VersionDocument] = {}
    for version in versions:
        for tag in tags_of(version):
            by_tag.setdefault(tag, version)
    named = by_tag.get(LATEST) or by_tag.get(highest_release(filter(is_version_tag, by_tag)) or "")
    return named or max(versions, key=_creation, default=None)


def is_blank(version: VersionDocument) -> bool:
    """Return whether no part of a version could be read."""
    return "Unread" in version and not version["LayerCount"]


def has_unread_part(version: VersionDocument) -> bool:
    """Return whether a version, or one of its platforms, could not be read completely."""
    return "Unread" in version or any("Unread" in platform for platform in version["Platforms"])


def is_incomplete(version: VersionDocument) -> bool:
    """Return whether a later check may read more of a version, such as another platform or the fields of a chart."""
    return has_unread_part(version) or version.get("Chart") == {}


def tagged(version: VersionDocument, tags: Iterable[str]) -> VersionDocument:
    """Return a version with these tags instead of its own."""
    documents = [TagDocument(tag=tag) for tag in sorted(tags)]
    return version if version["Tags"] == documents else {**version, "Tags": documents}


def with_details_of(published: VersionDocument, version: VersionDocument) -> VersionDocument:
    """Return ``version``, taken from its image's document, with the details of its own ``published`` document."""
    whole = version.copy()
    whole["Platforms"] = published["Platforms"]
    for field in (_DETAILS | {"Config"}) & published.keys():
        whole[field] = published[field]  # type: ignore[literal-required]
    return ordered(VersionDocument, whole)


def _on_top(current: VersionDocument, versions: Sequence[VersionDocument]) -> ImageDocument:
    fields = {key: current.get(key) for key in _VERSION_FIELDS_ON_TOP}
    all_tags = [tag for version in versions for tag in tags_of(version)]
    fields |= {"Id": current["SHA"], "LatestVersion": most_specific(tags_of(current), all_tags)}
    on_top = {key: value for key, value in fields.items() if value or value is False}
    # An empty value is kept here, because it means that there are no signatures or that the config sets nothing.
    on_top |= {field: current[field] for field in ("Config", "Signatures") if field in current}
    return on_top  # type: ignore[return-value]


def _without_layers(version: VersionDocument) -> VersionDocument:
    short = version.copy()
    for field in _DETAILS:
        short.pop(field, None)  # type: ignore[misc]
    if "Config" in version:
        parameters = listed_parameters(version["Config"])
        if parameters is None:
            del short["Config"]
        else:
            short["Config"] = parameters
    short["Platforms"] = [_without_details(platform) for platform in version["Platforms"]]
    return short


def _bounded_versions(versions: list[VersionDocument]) -> list[VersionDocument]:
    """Return the versions. If they do not all fit into the document of their image, limit the size of their fields.

    The limit is the same for all versions, and larger than most of them need.
    """
    if sum(map(size_bytes, versions)) <= MAX_DOCUMENT_BYTES:
        return versions
    share = max(MAX_DOCUMENT_BYTES // (5 * len(versions)), _LEAST_SHARE_BYTES)
    return [_bounded_version(version, share) for version in versions]


def _bounded_version(version: VersionDocument, share_bytes: int) -> VersionDocument:
    short, cut = version.copy(), list(version.get("Cut", []))
    for field, what in (("Labels", "labels"), ("Annotations", "annotations")):
        if field in version:
            short[field], why = bounded_texts(version[field], what, share_bytes)  # type: ignore[literal-required]
            cut += [why] if why else []
    for field, part, what in (("Provenance", "Inputs", "inputs of the build"), ("SBOM", "Licenses", "licenses")):
        claim = version.get(field, {})
        if part in claim and size_bytes(claim) > share_bytes // 4:  # type: ignore[operator]
            short[field] = {name: value for name, value in claim.items() if name != part}  # type: ignore
            cut.append(f"The {what} are left out: {_TOO_LARGE}")
    sizes = accumulate(size_bytes(platform) + 1 for platform in version["Platforms"])
    count = max(sum(size <= share_bytes for size in sizes), 1)
    if count < len(version["Platforms"]):
        cut.append(f"{len(version['Platforms']) - count} platforms are left out: {_TOO_LARGE}")
        short["Platforms"] = version["Platforms"][:count]
    if cut:
        short["Cut"] = cut
    return ordered(VersionDocument, short)


def _without_details(platform: PlatformDocument) -> PlatformDocument:
    details = ("Labels", "Annotations", "Layers", "Config", "ConfigDigest")
    return {key: value for key, value in platform.items() if key not in details}  # type: ignore[return-value]


def _description_in_labels(version: VersionDocument | None) -> str | None:
    if version is None:
        return None
    return facts_of(version).description or version.get("Chart", {}).get("Description")


def _creation(version: VersionDocument) -> datetime:
    return read_time(version.get("Created")) or _UNKNOWN_TIME


def _first_creation(versions: Sequence[VersionDocument]) -> str | None:
    return next((version["Created"] for version in versions if _creation(version) > _UNKNOWN_TIME), None)


def _image_url(repository: Repository) -> str | None:
    pages = {
        DOCKER_HUB: f"https://hub.docker.com/r/{repository.path}/",
        "quay.io": f"https://quay.io/repository/{repository.path}",
        "ghcr.io": f"https://ghcr.io/{repository.path}",
    }
    return pages.get(repository.registry)
