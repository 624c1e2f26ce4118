"""JSON that was kept: what is whole is read as it was written, and everything else is treated as absent."""

import json
from typing import Any, Literal, NotRequired, Required, TypedDict

import pytest

from microbadger.image.shapes import has_shape, parse_kept


class Part(TypedDict):
    Name: str


class Fields(TypedDict, total=False):
    Name: Required[str]
    Size: NotRequired[int]
    Kind: Literal["a", "b"]
    Parts: list[Part]
    Labels: dict[str, str]


@pytest.mark.parametrize(
    ("value", "kind"), [(["mañana"], list[str]), ([], list[str]), ({"1.0": 1.5}, dict[str, float]), (None, object)]
)
def test_what_is_whole_is_read_as_it_was_written(value: object, kind: Any) -> None:
    assert parse_kept(json.dumps(value), kind) == value
    assert parse_kept(json.dumps(value).encode(), kind) == value


@pytest.mark.parametrize("text", [None, "", b"", "x", "[", '[""', b"\xff", 7, "[" * 100_000, '["a", 1]', "{}", "null"])
def test_what_is_damaged_or_of_another_type_is_absent(text: Any) -> None:
    assert parse_kept(text, list[str]) is None


@pytest.mark.parametrize(
    ("value", "kind", "is_whole"),
    [
        ("mañana", str, True),
        (None, str, False),
        (True, bool, True),
        (1, bool, False),
        (None, object, True),
        ([[]], Any, True),
        (2**63 - 1, int, True),
        (2**63, int, False),
        (1 - 2**63, int, True),
        (-(2**63), int, False),
        (True, int, False),
        (1.0, int, False),
        (1.5, float, True),
        (7, float, True),
        (1e19, float, False),
        (-1e19, float, False),
        (2**63 - 1, float, True),
        (2**63, float, False),
        (True, float, False),
        ("1", float, False),
        (float("nan"), float, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (["a"], Literal["a", "b"], False),
        (None, str | None, True),
        ("a", str | None, True),
        (7, str | None, False),
        (None, list[str] | None, True),
        ([7], list[str] | None, False),
        ([], list[str], True),
        (["a", 7], list[str], False),
        ({}, list[str], False),
        ({"a": 7}, dict[str, int], True),
        ({"a": 7, "b": "7"}, dict[str, int], False),
        ([], dict[str, int], False),
        ({"Name": "a"}, Fields, True),
        ({"Name": "a", "Other": 7}, Fields, True),
        ({}, Fields, False),
        ({"Size": 1}, Fields, False),
        ({"Name": None}, Fields, False),
        ({"Name": "a", "Size": 1, "Kind": "b", "Labels": {"a": "b"}}, Fields, True),
        ({"Name": "a", "Size": "1"}, Fields, False),
        ({"Name": "a", "Size": None}, Fields, False),
        ({"Name": "a", "Kind": "c"}, Fields, False),
        ({"Name": "a", "Labels": {"a": 1}}, Fields, False),
        ({"Name": "a", "Parts": [{"Name": "b"}]}, Fields, True),
        ([["Name", "a"]], Fields, False),
    ],
)
def test_a_value_has_a_shape_if_all_of_it_has(value: Any, kind: Any, is_whole: bool) -> None:
    assert has_shape(value, kind) is is_whole


@pytest.mark.parametrize("parts", [None, {}, [7], [{}], [{"Name": "b"}, {"Name": 7}]])
def test_a_part_of_another_shape_spoils_the_whole(parts: Any) -> None:
    assert not has_shape({"Name": "a", "Parts": parts}, Fields)
