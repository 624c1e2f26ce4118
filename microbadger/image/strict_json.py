"""Parses JSON from strangers within bounds; whatever they sent, the only error is a `ValueError`."""

import json
from typing import NoReturn

MAX_BYTES = 8 * 1024**2
_MAX_DIGITS = 1000
_MAX_PARTS = 500_000  # an empty list is two bytes of JSON and sixty of memory


def parse_object(raw: bytes, errors: str = "strict") -> dict[str, object]:
    """Return the JSON object in UTF-8 bytes; raise `ValueError`, in a few words, if there is not one.

    ``errors`` says what to do with bytes that are not UTF-8, as for `bytes.decode`.
    """
    document = parse_json(raw, errors)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def parse_json(raw: bytes, errors: str = "strict") -> object:
    """Return the JSON value in UTF-8 bytes; raise `ValueError`, in a few words, if they are not JSON or too large.

    A number of more digits than anything has is read as infinite.
    """
    if len(raw) > MAX_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise ValueError("it is too large")
    try:
        return json.loads(raw.decode("utf-8", errors), parse_constant=_refuse_constant, parse_int=_bounded)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a deep nest
        raise ValueError("it is not JSON") from error


def _bounded(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
