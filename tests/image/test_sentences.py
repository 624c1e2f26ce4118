"""A difference in lines that people read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.differences import IN_A_CHANGE, DifferenceDocument, difference
from microbadger.image.sentences import difference_lines
from tests.image.versions import version


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({}, []),
        ({"User": {"Old": "root", "New": "señor"}}, ["User: root → señor"]),
        ({"User": {"New": "app"}}, ["User: not set → app"]),
        ({"WorkingDir": {"Old": "/app"}}, ["Working directory: /app → not set"]),
        ({"StopSignal": {"Old": "SIGINT", "New": "SIGTERM"}}, ["Stop signal: SIGINT → SIGTERM"]),
        ({"DownloadSize": {"Old": 1024**2, "New": 3 * 1024**2}}, ["Size: 1.0 MiB → 3.0 MiB (+2.0 MiB)"]),
        ({"DownloadSize": {"Old": 2048, "New": 2046}}, ["Size: 2.0 KiB → 2.0 KiB (−2 B)"]),
        ({"Platforms": {"Added": ["linux/arm64", "linux/arm/v7"], "Removed": ["linux/386"]}},
         ["Platforms: linux/arm64, linux/arm/v7 added; linux/386 removed"]),
        ({"Platforms": {"Changed": ["linux/arm64"]}}, ["Only other platforms changed: linux/arm64"]),
        ({"Base": {"Old": {"Name": "alpine:3.21"}, "New": {"Name": "alpine:3.22", "Digest": f"sha256:{'a' * 64}"}}},
         ["Base image: alpine:3.21 → alpine:3.22 (aaaaaaaaaaaa)"]),
        ({"Base": {"New": {"Name": "alpine"}}}, ["Base image: not given → alpine"]),
        ({"Entrypoint": {"Old": ["/a"], "New": ["sh", "-c", "echo hola"]}}, ["Entrypoint: /a → sh -c 'echo hola'"]),
        ({"Cmd": {"New": ["serve"]}}, ["Command: not set → serve"]),
        ({"ExposedPorts": {"Removed": ["80/tcp"]}}, ["Ports: 80/tcp removed"]),
        ({"Volumes": {"Added": ["/data"]}}, ["Volumes: /data added"]),
        ({"Env": {"A": {"Old": "1", "New": "2"}, "B": {"Old": "x"}, "C": {"New": "y"}}},
         ["Variable A: 1 → 2", "Variable B removed", "Variable C added: y"]),
        ({"Env": {"SECRET": {"New": ""}}}, ["Variable SECRET added"]),
        ({"Labels": {"a": {"Old": "", "New": "b"}}}, ["Label a: empty → b"]),
        ({"Labels": {"a": {"New": "two\n\tlines"}}}, ["Label a added: two lines"]),
        ({"LeftOut": 1}, ["and 1 more difference"]),
        ({"LeftOut": 7}, ["and 7 more differences"]),
    ],
)  # fmt: skip
def test_each_fact_is_a_line(found: Any, lines: list[str]) -> None:
    assert difference_lines(found) == lines


def test_layers_are_counted_and_then_named() -> None:
    added = [{"Command": "RUN apk add\\\n  curl", "DownloadSize": 2048}, {"Command": "", "DownloadSize": 1}]
    found: Any = {"AddedCount": 5, "RemovedCount": 1, "KeptCount": 7, "Added": added, "Removed": []}

    assert difference_lines({"Layers": found}) == [
        "Layers: 5 added, 1 removed, 7 kept",
        "+ RUN apk add\\ curl (2.0 KiB)",
        "+ unknown step (1 B)",
        "+ 3 more",
        "− 1 more",
    ]


def test_what_matters_most_comes_first() -> None:
    old = version("a", DownloadSize=1, Labels={"a": "1"}, Config={"User": "root", "Env": ["A=1"]})
    new = version("b", DownloadSize=2, Labels={"a": "2"}, Config={"User": "app", "Env": ["A=2"]})

    assert [line.split()[0] for line in difference_lines(difference(old, new))] == [
        *("Size:", "User:", "Variable", "Layers:", "+", "−", "Label"),
    ]


def test_lines_beyond_the_most_are_counted() -> None:
    labels: Any = {letter: {"New": ""} for letter in "abcd"}

    assert difference_lines({"Labels": labels}, 2) == ["Label a added", "Label b added", "and 2 more"]


def test_a_single_line_more_takes_the_place_of_its_count() -> None:
    labels: Any = {letter: {"New": ""} for letter in "abc"}

    assert len(difference_lines({"Labels": labels}, 2)) == 3


labels = st.dictionaries(st.text(), st.text())


@given(labels, labels)
def test_no_stranger_adds_a_line(old: dict[str, str], new: dict[str, str]) -> None:
    found = difference(version("a", Labels=old, Layers=[]), version("b", Labels=new, Layers=[]), IN_A_CHANGE)

    lines = difference_lines(found)
    assert len(lines) == len(found.get("Labels", {})) + ("LeftOut" in found)
    assert not any("\n" in line for line in lines)


def test_every_field_has_its_words() -> None:
    filled: dict[str, Any] = {
        "DownloadSize": {"Old": 1, "New": 2},
        "Layers": {"AddedCount": 1, "RemovedCount": 0, "KeptCount": 0, "Added": [], "Removed": []},
        "Platforms": {"Added": ["a"]},
        "Base": {},
        **{name: {"New": "a"} for name in ("User", "WorkingDir", "StopSignal")},
        **{name: {"New": ["a"]} for name in ("Entrypoint", "Cmd")},
        **{name: {"Added": ["a"]} for name in ("ExposedPorts", "Volumes")},
        **{name: {"a": {"New": "b"}} for name in ("Env", "Labels")},
        "LeftOut": 1,
    }
    assert filled.keys() == DifferenceDocument.__annotations__.keys()
    for field, value in filled.items():
        assert difference_lines({field: value})  # type: ignore[misc]
