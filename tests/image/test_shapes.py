"""JSON that was kept: what is whole is read as it was written, and everything else is treated as absent."""

import json
from typing import Any

import pytest

from microbadger.image.shapes import parse_kept


@pytest.mark.parametrize(
    ("value", "kind"), [(["mañana"], list[str]), ([], list[str]), ({"1.0": 1.5}, dict[str, float]), (None, object)]
)
def test_what_is_whole_is_read_as_it_was_written(value: object, kind: Any) -> None:
    assert parse_kept(json.dumps(value), kind) == value
    assert parse_kept(json.dumps(value).encode(), kind) == value


@pytest.mark.parametrize("text", [None, "", b"", "x", "[", '[""', b"\xff", 7, "[" * 100_000, '["a", 1]', "{}", "null"])
def test_what_is_damaged_or_of_another_type_is_absent(text: Any) -> None:
    assert parse_kept(text, list[str]) is None
