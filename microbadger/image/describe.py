"""Describes images and their versions: makes the published documents from manifests, configs and labels.

The *current version* of an image is the one that `latest` names, else the newest one; the fields of its document are
also those of the image. The *main platform* of a version is linux/amd64, else the first one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from microbadger.image.documents import (
    BaseDocument,
    HubDetails,
    ImageDocument,
    LayerDocument,
    LicenseDocument,
    PlatformDocument,
    RelativeDocument,
    TagDocument,
    VersionControlDocument,
    VersionDocument,
    format_time,
    image_name,
    sha_of,
    tags_of,
)
from microbadger.image.labels import Labels, read_labels
from microbadger.image.manifest import Config, Manifest, Platform, layer_steps
from microbadger.image.reference import DOCKER_HUB, Repository
from microbadger.image.tags import most_specific

D = TypeVar("D", ImageDocument, VersionDocument, PlatformDocument)

_DETAILS = frozenset({"Layers", "DiffIDs"})  # fields of a version's own document that the document of its image lacks
PREFERRED_PLATFORM = ("linux", "amd64")

# How builders wrap a Dockerfile instruction in the history of an image.
_SHELL = "/bin/sh -c "
_NO_OPERATION = "#(nop)"
_BUILDKIT_MARK = " # buildkit"

_VERSION_FIELDS_ON_TOP = (
    *("Id", "LatestVersion", "Author", "LayerCount", "DownloadSize", "Labels"),
    *("Digest", "MediaType", "Platforms", "Annotations", "Source", "Base"),
)


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """One platform of a version, as read from the registry."""

    digest: str
    platform: Platform
    manifest: Manifest
    config: Config

    @property
    def size_bytes(self) -> int:
        """The sum of its layers."""
        return sum(layer.size_bytes for layer in self.manifest.layers)


def describe_version(
    repository: Repository,
    digest: str,
    media_type: str,
    images: Sequence[PlatformImage],
    index_annotations: Mapping[str, str] | None = None,
) -> VersionDocument:
    """Return the document of one version, with the layers of its main platform on top.

    ``images`` must not be empty. If there are several, each platform also has its own labels and layers.
    """
    main = main_platform(images)
    labels = read_labels(main.config.labels, main.manifest.annotations, index_annotations or {})
    version = outline_version(repository, digest, media_type)
    version["Author"] = main.config.author or labels.authors or ""
    version["LayerCount"] = len(main.manifest.layers)
    version["DownloadSize"] = main.size_bytes
    version["Layers"] = _layers(main)
    version["Platforms"] = [_platform(image, with_details=len(images) > 1) for image in images]
    if len(main.config.diff_ids) == len(main.manifest.layers) > 0:
        version["DiffIDs"] = list(main.config.diff_ids)
    if main.config.created:
        version["Created"] = format_time(main.config.created)
    if main.config.labels:
        version["Labels"] = dict(main.config.labels)
    if annotations := {**main.manifest.annotations, **_not_empty(index_annotations or {})}:
        version["Annotations"] = annotations
    _add_labels(version, labels)
    return _ordered(VersionDocument, version)


def outline_version(
    repository: Repository,
    digest: str,
    media_type: str = "",
    *,
    size_bytes: int = 0,
    unsupported: str = "",
    unread: str = "",
) -> VersionDocument:
    """Return the document of a version that was not read, or cannot be described, with the reason."""
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


def describe_image(
    repository: Repository,
    versions: Iterable[VersionDocument],
    *,
    updated_at: datetime,
    webhook_url: str | None = None,
    hub: HubDetails | None = None,
) -> ImageDocument:
    """Return the document of an image with these versions, newest first, without their layers.

    ``updated_at`` is when the document last changed, which only the caller knows.
    """
    newest_first = sorted((_without_layers(v) for v in versions), key=_newest_first, reverse=True)
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
    }
    image.update({key: value for key, value in optional.items() if value is not None})  # type: ignore[typeddict-item]
    if current:
        image.update(_on_top(current))
    return _ordered(ImageDocument, image)


def shown_at(image: ImageDocument, tag: str) -> ImageDocument | None:
    """Return the document with the fields of a tag's version on top, None if no version has the tag."""
    version = next((version for version in image["Versions"] if tag in tags_of(version)), None)
    if version is None:
        return None
    shown = image.copy()
    for field in _VERSION_FIELDS_ON_TOP:
        shown.pop(field, None)  # type: ignore[misc]
    shown.update(_on_top(version))
    return _ordered(ImageDocument, shown)


def hub_details(image: ImageDocument) -> HubDetails:
    """Return the details from Docker Hub that are in a document, to keep them while Docker Hub does not answer."""
    on_docker_hub = "PullCount" in image
    return HubDetails(
        image.get("Description") if on_docker_hub else None,
        datetime.fromisoformat(image["LastUpdated"]) if on_docker_hub and "LastUpdated" in image else None,
        image.get("PullCount"),
        image.get("StarCount"),
    )


def current_version(versions: Sequence[VersionDocument]) -> VersionDocument | None:
    """Return the version that ``latest`` names, else the newest by creation time; None if there is no version."""
    latest = [version for version in versions if "latest" in tags_of(version)]
    return next(iter(latest), None) or max(versions, key=_newest_first, default=None)


def main_platform(images: Sequence[PlatformImage]) -> PlatformImage:
    """Return the image for linux/amd64, else the first one.

    The variant that runs on every amd64 processor, which is v1, comes before v2 and later ones.
    """

    def rank(image: PlatformImage) -> tuple[bool, bool]:
        is_preferred = (image.platform.os, image.platform.architecture) == PREFERRED_PLATFORM
        return not is_preferred, is_preferred and image.platform.variant not in (None, "v1")

    return min(images, key=rank)


def tagged(version: VersionDocument, tags: Iterable[str]) -> VersionDocument:
    """Return the version with these tags instead of its own."""
    documents = [TagDocument(tag=tag) for tag in sorted(tags)]
    return version if version["Tags"] == documents else {**version, "Tags": documents}


def related(
    version: VersionDocument, parents: list[RelativeDocument], identical: list[RelativeDocument]
) -> VersionDocument:
    """Return the version with these relatives instead of its own; an empty list is left out."""
    if version.get("Parents", []) == parents and version.get("Identical", []) == identical:
        return version
    changed = version.copy()
    for field, relatives in (("Parents", parents), ("Identical", identical)):
        changed.pop(field, None)  # type: ignore[misc]
        if relatives:
            changed[field] = relatives  # type: ignore[literal-required]
    return _ordered(VersionDocument, changed)


def with_details_of(published: VersionDocument, version: VersionDocument) -> VersionDocument:
    """Return a version from the document of its image, with the details from its own, ``published`` document."""
    whole = version.copy()
    whole["Platforms"] = published["Platforms"]
    for field in _DETAILS & published.keys():
        whole[field] = published[field]  # type: ignore[literal-required]
    return _ordered(VersionDocument, whole)


def command_of(created_by: str) -> str:
    """Return the Dockerfile instruction behind a history entry.

    >>> command_of('/bin/sh -c #(nop)  CMD ["sh"]'), command_of("RUN /bin/sh -c make # buildkit")
    ('CMD ["sh"]', 'RUN make')
    """
    command = created_by.strip().removesuffix(_BUILDKIT_MARK)
    if _NO_OPERATION in command:
        return command.partition(_NO_OPERATION)[2].strip()
    arguments, shell, script = command.partition(_SHELL)
    if shell and (arguments in ("", "RUN ") or arguments.startswith(("|", "RUN |"))):
        return f"RUN {script.strip()}"
    return command


def _layers(image: PlatformImage) -> list[LayerDocument]:
    return [
        LayerDocument(
            BlobSum=step.layer.digest,
            Command=command_of(step.command or ""),
            DownloadSize=step.layer.size_bytes,
            Digest=step.layer.digest,
            MediaType=step.layer.media_type,
        )
        if step.layer
        else LayerDocument(BlobSum="", Command=command_of(step.command or ""), DownloadSize=0)
        for step in layer_steps(image.manifest, image.config)
    ]


def _platform(image: PlatformImage, *, with_details: bool) -> PlatformDocument:
    document = PlatformDocument(
        OS=image.platform.os,
        Architecture=image.platform.architecture,
        Digest=image.digest,
        DownloadSize=image.size_bytes,
        LayerCount=len(image.manifest.layers),
    )
    if image.platform.variant:
        document["Variant"] = image.platform.variant
    if image.config.created:
        document["Created"] = format_time(image.config.created)
    if with_details:
        if image.config.labels:
            document["Labels"] = dict(image.config.labels)
        if image.manifest.annotations:
            document["Annotations"] = dict(image.manifest.annotations)
        document["Layers"] = _layers(image)
    return _ordered(PlatformDocument, document)


def _add_labels(version: VersionDocument, labels: Labels) -> None:
    if labels.license:
        version["License"] = LicenseDocument(Code=labels.license.code)
        if labels.license.url:
            version["License"]["URL"] = labels.license.url
    if labels.version_control:
        version["VersionControl"] = VersionControlDocument(
            Type=labels.version_control.type, URL=labels.version_control.url, Commit=labels.version_control.commit
        )
    if labels.source:
        version["Source"] = labels.source
    base = BaseDocument()
    if labels.base_name:
        base["Name"] = labels.base_name
    if labels.base_digest:
        base["Digest"] = labels.base_digest
    if base:
        version["Base"] = base


def _not_empty(annotations: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if value.strip()}


def _on_top(current: VersionDocument) -> ImageDocument:
    fields = {key: current.get(key) for key in _VERSION_FIELDS_ON_TOP}
    fields |= {"Id": current["SHA"], "LatestVersion": most_specific(tags_of(current))}
    return {key: value for key, value in fields.items() if value}  # type: ignore[return-value]


def _ordered(kind: type[D], document: D) -> D:
    """Return a document with its fields in the order of its kind, which is the order of the v1 interface."""
    return {key: document[key] for key in kind.__annotations__ if key in document}  # type: ignore[return-value, literal-required]


def _without_layers(version: VersionDocument) -> VersionDocument:
    short = version.copy()
    for field in _DETAILS:
        short.pop(field, None)  # type: ignore[misc]
    short["Platforms"] = [_without_details(platform) for platform in version["Platforms"]]
    return short


def _without_details(platform: PlatformDocument) -> PlatformDocument:
    details = ("Labels", "Annotations", "Layers")
    return {key: value for key, value in platform.items() if key not in details}  # type: ignore[return-value]


def _description_in_labels(version: VersionDocument | None) -> str | None:
    return read_labels(version.get("Labels", {}), version.get("Annotations", {})).description if version else None


def _newest_first(version: VersionDocument) -> tuple[str, str]:
    return version.get("Created", "").removesuffix("Z"), version["SHA"]  # with the Z, 51.36Z sorts before 51Z


def _first_creation(versions: Sequence[VersionDocument]) -> str | None:
    return next((version["Created"] for version in versions if "Created" in version), None)


def _image_url(repository: Repository) -> str | None:
    pages = {
        DOCKER_HUB: f"https://hub.docker.com/r/{repository.path}/",
        "quay.io": f"https://quay.io/repository/{repository.path}",
        "ghcr.io": f"https://ghcr.io/{repository.path}",
    }
    return pages.get(repository.registry)
