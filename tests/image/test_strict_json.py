"""JSON from strangers: exactly so much of it is parsed, and whatever is not JSON is a `ValueError`."""

import math

import pytest

from microbadger.image.strict_json import parse_json, parse_object


@pytest.mark.parametrize(("length", "is_read"), [(8 * 1024**2, True), (8 * 1024**2 + 1, False)])
def test_eight_mebibytes_are_parsed_and_no_byte_more(length: int, is_read: bool) -> None:
    raw = b'"' + b"x" * (length - 2) + b'"'
    if is_read:
        assert parse_json(raw) == "x" * (length - 2)
    else:
        with pytest.raises(ValueError, match="too large"):
            parse_json(raw)


@pytest.mark.parametrize(
    "list_of_parts",
    [b"[" + b"1," * 499_999 + b"1]", b"[1," + b"[]," * 249_999 + b"1]", b"[1," + b"{}," * 249_999 + b"1]"],
    ids=["numbers", "lists", "objects"],
)
def test_half_a_million_parts_are_parsed_and_not_one_more(list_of_parts: bytes) -> None:
    assert parse_json(list_of_parts)
    with pytest.raises(ValueError, match="too large"):
        parse_json(list_of_parts.removesuffix(b"]") + b",1]")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'"ma\xc3\xb1ana"', "mañana"),
        (b"1" * 1000, int("1" * 1000)),
        (b"1" * 1001, math.inf),
        (b"-" + b"1" * 1000, math.inf),
        (b"1.5", 1.5),
        (b"null", None),
    ],
    ids=range(6),
)
def test_a_value_is_read_as_it_was_written_but_no_number_without_end(raw: bytes, value: object) -> None:
    assert parse_json(raw) == value


@pytest.mark.parametrize(
    "raw", [b"NaN", b"Infinity", b"-Infinity", b"", b"[", b"\xff", b"[" * 100_000, "mañana".encode("latin-1")]
)
def test_what_is_not_json_is_said_in_a_few_words(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"\Ait is not JSON\Z"):
        parse_json(raw)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"{}"', b"7"])
def test_what_is_no_object_is_refused_as_one(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        parse_object(raw)


def test_bytes_that_are_not_utf_8_can_be_replaced() -> None:
    assert parse_object(b'{"a": "\xff"}', errors="replace") == {"a": "\N{REPLACEMENT CHARACTER}"}
    with pytest.raises(ValueError, match="not JSON"):
        parse_object(b'{"a": "\xff"}')
