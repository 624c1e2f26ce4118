"""Parses JSON from strangers within bounds; whatever they sent, the only error is a `ValueError`."""

import json
from typing import NoReturn

MAX_BYTES = 8 * 1024**2
_MAX_PARTS = 500_000  # an empty list is two bytes of JSON and sixty of memory


def parse_object(raw: bytes) -> dict[str, object]:
    """Return the JSON object in UTF-8 bytes; raise `ValueError`, in a few words, if there is not one."""
    document = parse_json(raw)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def parse_json(raw: bytes) -> object:
    """Return the JSON value in UTF-8 bytes; raise `ValueError`, in a few words, if they are not JSON or too large."""
    if len(raw) > MAX_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise ValueError("it is too large")
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number without end, a deep nest
        raise ValueError("it is not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
