"""Rows for the layers of an image and the steps of its Dockerfile; `assets/rows.js` draws the same rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microbadger.image import LayerDocument, VersionDocument, short_reference, size_text
from microbadger.site.step_texts import instruction_of, step_text
from microbadger.site.templating import media_words


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer, or the steps without a layer between two layers.

    Steps have no ``size``, and ``kind`` names their instructions. For a layer, ``kind`` names its unusual properties,
    and ``so_far`` is its size together with all layers below.
    """

    commands: list[str]
    kind: str = ""
    size: str = ""
    so_far: str = ""
    share: str = ""
    width: str = ""
    is_largest: bool = False


@dataclass(frozen=True, slots=True)
class SharedLayers:
    """The number of layers at the bottom of a version that come from its base image, and the name of that image."""

    count: int = 0
    name: str = ""


def shared_layers(version: VersionDocument) -> SharedLayers:
    """Return the layers from the base image or, if that is not known, from the nearest other image."""
    base, parents = version.get("Base", {}), version.get("Parents", [])
    if "LayerCount" in base and "Name" in base:
        return SharedLayers(base["LayerCount"], short_reference(base["Name"]))
    if not parents:
        return SharedLayers()
    nearest = max(parents, key=lambda parent: parent["LayerCount"])
    tag = f":{nearest['Tags'][0]['tag']}" if nearest["Tags"] else ""
    return SharedLayers(nearest["LayerCount"], f"{nearest['ImageName']}{tag}")


def layer_rows(layers: Sequence[LayerDocument], shared_count: int = 0) -> Iterator[LayerRow]:
    """Yield a row for each layer and for the steps between layers; bars are in percent of the largest layer.

    The lowest layers come first; the first ``shared_count`` of them come from the base image.
    """
    sizes = [layer["DownloadSize"] for layer in layers]
    largest, total = max(sizes, default=0), sum(sizes)
    so_far, place, steps = 0, 0, list[str]()
    for layer, size in zip(layers, sizes, strict=True):
        if not size:
            steps.append(layer["Command"])
            continue
        if steps:
            yield _between(steps)
        so_far, place, steps = so_far + size, place + 1, []
        words = ("base image" if place <= shared_count else "", media_words(layer.get("MediaType", "")))
        yield LayerRow(
            commands=[step_text(layer["Command"])],
            kind=", ".join(filter(None, words)),
            size=size_text(size),
            so_far=f"{size_text(so_far)} so far",
            share=_percent_text(size, total),
            width=f"{max(100 * size / largest, 0.5):.1f}",
            is_largest=size == largest,
        )
    if steps:
        yield _between(steps)


def shared_text(layers: Sequence[LayerDocument], shared: SharedLayers) -> str:
    """Return a sentence about the layers from the base image, empty if none are known."""
    sizes = [layer["DownloadSize"] for layer in layers if layer["DownloadSize"]][: shared.count]
    if not sizes:
        return ""
    first = "first layer" if len(sizes) == 1 else f"first {len(sizes)} layers"
    verb = "is" if len(sizes) == 1 else "are"
    return f"The {first} ({size_text(sum(sizes))}) {verb} from the base image {shared.name}."


def _between(commands: list[str]) -> LayerRow:
    count = f"{len(commands)} step{'' if len(commands) == 1 else 's'} without a layer"
    names = ", ".join(filter(None, dict.fromkeys(map(instruction_of, commands))))
    return LayerRow([step_text(command) for command in commands], f"{count}: {names}" if names else count)


def _percent_text(size_bytes: int, total_bytes: int) -> str:
    percent = int(100 * size_bytes / total_bytes + 0.5)
    return f"{percent}%" if percent else "<1%"
