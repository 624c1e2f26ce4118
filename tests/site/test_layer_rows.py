"""The layers of an image, with the steps between them and what is the base image's."""

from typing import Any

import pytest

from microbadger.image.documents import RelativeDocument, TagDocument
from microbadger.site.layer_rows import SharedLayers, layer_rows, shared_layers, shared_text
from tests.site.images import layer, version

BASE = {"Name": "docker.io/library/alpine:3.22", "State": "current", "LayerCount": 1}


def parent(name: str, layer_count: int, *tags: str) -> RelativeDocument:
    return RelativeDocument(
        SHA="ab", Tags=[TagDocument(tag=tag) for tag in tags], ImageName=name, LayerCount=layer_count, MicrobadgerURL=""
    )


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ([], []),
        ([3072, 1024], [("3.0 KiB", "75%", "100.0", True), ("1.0 KiB", "25%", "33.3", False)]),
        ([7, 7], [("7 B", "50%", "100.0", True), ("7 B", "50%", "100.0", True)]),
        ([10**9, 1], [("953.7 MiB", "100%", "100.0", True), ("1 B", "<1%", "0.5", False)]),
    ],
)
def test_a_bar_is_as_wide_as_its_layer_is_large(sizes: list[int], rows: list[tuple[str, str, str, bool]]) -> None:
    found = layer_rows([layer("RUN make", size) for size in sizes])
    assert [(row.size, row.share, row.width, row.is_largest) for row in found] == rows


def test_a_layer_says_how_large_it_is_with_those_below() -> None:
    rows = layer_rows([layer("ADD", 1024), layer("ENV A=b", 0), layer("COPY", 2048)])
    assert [row.so_far for row in rows] == ["1.0 KiB so far", "", "3.0 KiB so far"]


def test_steps_without_a_layer_are_one_row_that_names_their_instructions() -> None:
    steps = [("ENV A=b", 0), ("ADD", 1), ("ENV C=d", 0), ("EXPOSE 80", 0), ("ENV E=f", 0), ("RUN a; b", 1), ("", 0)]
    rows = list(layer_rows([layer(command, size) for command, size in steps]))
    assert [row.kind for row in rows if not row.size] == [
        "1 step without a layer: ENV",
        "3 steps without a layer: ENV, EXPOSE",
        "1 step without a layer",
    ]
    assert [row.commands for row in rows[2:]] == [
        ["ENV C=d", "EXPOSE 80 (TCP)", "ENV E=f"], ["RUN a;\n  b"], ["unknown"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "count", "name"),
    [
        ({}, 0, ""),
        ({"Base": BASE}, 1, "alpine:3.22"),
        ({"Base": {"Name": "alpine", "State": "unknown"}}, 0, ""),
        ({"Base": BASE, "Parents": [parent("example/base", 2, "1.0")]}, 1, "alpine:3.22"),
        ({"Parents": [parent("alpine", 1), parent("example/base", 2, "1.0", "latest")]}, 2, "example/base:1.0"),
        ({"Parents": [parent("alpine", 1)]}, 1, "alpine"),
    ],
)
def test_the_lowest_layers_are_those_of_the_base_or_of_the_nearest_image(
    fields: dict[str, Any], count: int, name: str
) -> None:
    assert shared_layers(version("1.0", **fields)) == SharedLayers(count, name)


def test_the_layers_of_the_base_are_marked_and_summed_up() -> None:
    layers = [layer("ADD", 1024), layer("CMD sh", 0), layer("RUN", 1024), layer("COPY", 1)]
    layers[2]["MediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    assert [row.kind for row in layer_rows(layers, 2) if row.size] == ["base image", "base image, zstd", ""]
    sentences = [shared_text(layers, SharedLayers(count, "alpine")) for count in (0, 1, 2)]
    assert sentences == [
        "",
        "The first layer (1.0 KiB) is from the base image alpine.",
        "The first 2 layers (2.0 KiB) are from the base image alpine.",
    ]
