"""Describes the platforms of a version, including those that could be read only in part.

The *main platform* is linux/amd64, or else the first one with a known platform. A platform that could be read takes
precedence over one that could not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from microbadger.image.bounds import bounded_texts, size_bytes
from microbadger.image.configs import Config
from microbadger.image.descriptors import UNKNOWN, Platform
from microbadger.image.documents import (
    ConfigDocument,
    LayerDocument,
    PlatformDocument,
    VersionDocument,
    format_time,
    ordered,
)
from microbadger.image.labels import merged_annotations, read_labels, says_something
from microbadger.image.manifest import Manifest, layer_steps
from microbadger.image.parameters import command_without_values, without_values

PREFERRED_PLATFORM = ("linux", "amd64")

# How builders wrap a Dockerfile instruction in the history of an image.
_SHELL = "/bin/sh -c "
_NO_OPERATION = "#(nop)"
_BUILDKIT_MARK = " # buildkit"

_USUAL_VARIANTS = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}

_NOT_READ = "it could not be read"
_LARGEST_CONFIG_BYTES = 4096  # of a platform beside the main one


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """One platform of a version, with the parts that were read from the registry.

    ``platform`` is the platform in its index entry. ``unread`` says why its manifest or its config is missing.
    """

    digest: str
    platform: Platform | None
    manifest: Manifest | None
    config: Config | None
    entry_annotations: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its manifest and its config were read."""
        return self.manifest is not None and self.config is not None

    @property
    def why_unread(self) -> str:
        """The reason why its manifest or config is missing; empty if both were read."""
        return "" if self.is_whole else self.unread or _NOT_READ

    @property
    def cut(self) -> tuple[str, ...]:
        """A sentence about each kind of data in its config that is left out because it is too large."""
        return self.config.cut if self.config else ()

    @property
    def is_image(self) -> bool:
        """Whether it is an image. It counts as one if its manifest was not read."""
        return self.manifest is None or self.manifest.is_image(self.config)

    @property
    def size_bytes(self) -> int:
        """The download size, or 0 if it is unknown."""
        return self.manifest.size_bytes if self.manifest else 0

    @property
    def layer_count(self) -> int:
        """The number of its layers, or 0 if it is unknown."""
        return len(self.manifest.layers) if self.manifest else 0

    @property
    def author(self) -> str:
        """The author in its config, or an empty text."""
        author = (self.config and self.config.author) or ""
        return author if says_something("author", author) else ""

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of its config."""
        return self.config.labels if self.config else {}

    @property
    def runs_on(self) -> Platform:
        """The platform that its index entry names, with missing parts taken from its config."""
        of_config = self.config.platform if self.config else Platform(UNKNOWN, UNKNOWN)
        if self.platform is None or not self.platform.is_known:
            return of_config
        os = self.platform.os if self.platform.os != UNKNOWN else of_config.os
        architecture = self.platform.architecture if self.platform.architecture != UNKNOWN else of_config.architecture
        is_same = (os, architecture) == (of_config.os, of_config.architecture)
        os_version = self.platform.os_version or (of_config.os_version if is_same else None)
        return replace(self.platform, os=os, architecture=architecture, os_version=os_version)

    @property
    def parameters(self) -> ConfigDocument | None:
        """How a container of it is run, or None if that is unknown."""
        return self.config.parameters if self.config else None

    @property
    def config_digest(self) -> str:
        """The digest of its config, or an empty text if its manifest was not read."""
        return self.manifest.config.digest if self.manifest else ""

    def annotations(self, of_index: Mapping[str, str]) -> dict[str, str]:
        """Return its annotations. The index takes precedence over its index entry, and the entry over its manifest."""
        return merged_annotations(of_index, self.entry_annotations, self.manifest.annotations if self.manifest else {})

    def created(self, of_index: Mapping[str, str]) -> datetime | None:
        """Return when it was created, according to its config, or else an annotation or a label; None if unknown."""
        of_config = self.config.created if self.config else None
        return of_config or read_labels(self.labels, self.annotations(of_index)).created


def distinct(images: Sequence[PlatformImage]) -> list[PlatformImage]:
    """Return the images without duplicates, because an index may name an image twice for the same platform."""
    unique: dict[tuple[str, Platform | None, str], PlatformImage] = {}
    for image in images:
        unique.setdefault((image.digest, image.platform, image.unread), image)
    return list(unique.values())


def main_platform(images: Sequence[PlatformImage]) -> PlatformImage:
    """Return the image for linux/amd64, or else the first one, among the images that were read most completely.

    Variant v1, which runs on every amd64 processor, comes before v2 and later variants.
    """

    def rank(image: PlatformImage) -> tuple[bool, bool, bool, bool, bool]:
        platform = image.runs_on
        is_preferred = (platform.os, platform.architecture) == PREFERRED_PLATFORM
        needs_new_processor = is_preferred and platform.variant not in (None, "v1")
        return not image.is_whole, image.manifest is None, not is_preferred, needs_new_processor, not platform.is_known

    return min(images, key=rank)


def described_platform(version: VersionDocument) -> PlatformDocument | None:
    """Return the main platform in a version's document, which the version's layers belong to; None if it has none."""

    def rank(platform: PlatformDocument) -> tuple[bool, bool, bool, bool]:
        is_preferred = (platform.get("OS"), platform.get("Architecture")) == PREFERRED_PLATFORM
        needs_new_processor = is_preferred and platform.get("Variant") not in (None, "v1")
        is_known = "OS" in platform or "Architecture" in platform
        return "Unread" in platform, not is_preferred, needs_new_processor, not is_known

    return min(version["Platforms"], key=rank, default=None)


def usual_variant(architecture: str, variant: str) -> str:
    """Return the canonical spelling of a variant, because builders may write or omit the usual one of a processor.

    https://github.com/containerd/platforms/blob/main/database.go
    """
    return _USUAL_VARIANTS.get((architecture, variant), variant)


def describe_platform(
    image: PlatformImage, index_annotations: Mapping[str, str], *, with_details: bool
) -> PlatformDocument:
    """Return the document of one platform. Unknown fields are left out."""
    document = PlatformDocument(Digest=image.digest, DownloadSize=image.size_bytes, LayerCount=image.layer_count)
    platform, created = image.runs_on, image.created(index_annotations)
    optional = {
        "OS": platform.os if platform.os != UNKNOWN else None,
        "OSVersion": platform.os_version,
        "Architecture": platform.architecture if platform.architecture != UNKNOWN else None,
        "Variant": platform.variant,
        "Created": format_time(created) if created else None,
        "Unread": image.why_unread,
    }
    cut = list(image.cut)
    if with_details:
        annotations, cut_annotations = bounded_texts(image.annotations(index_annotations), "annotations")
        optional |= {"Labels": dict(image.labels), "Annotations": annotations}  # type: ignore[dict-item]
        optional["ConfigDigest"] = image.config_digest
        document["Layers"] = describe_layers(image)
        if (parameters := image.parameters) is not None and size_bytes(parameters) <= _LARGEST_CONFIG_BYTES:
            document["Config"] = parameters
        cut += [cut_annotations] if cut_annotations else []
    document.update({key: value for key, value in {**optional, "Cut": cut}.items() if value})  # type: ignore[typeddict-item]
    return ordered(PlatformDocument, document)


def describe_layers(image: PlatformImage) -> list[LayerDocument]:
    """Return the steps of the Dockerfile with their layers, or an empty list if the manifest was not read."""
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
        for step in (layer_steps(image.manifest, image.config) if image.manifest else ())
    ]


def with_names_only(config: Config) -> Config:
    """Return a config without the values of environment variables in its parameters and its history."""
    parameters = config.parameters and without_values(config.parameters)
    env = parameters.get("Env", []) if parameters else []
    history = (
        replace(step, created_by=command_without_values(command_of(step.created_by), env)) for step in config.history
    )
    return replace(config, parameters=parameters, history=tuple(history))


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
