"""JSON from strangers: within bounds, or a `ValueError`, and nothing else whatever was sent."""

import json
from typing import NoReturn

MAX_BYTES = 8 * 1024**2
_MAX_PARTS = 500_000  # an empty list is two bytes of JSON and sixty of memory


def parse_object(raw: bytes) -> dict[str, object]:
    """Return the JSON object that UTF-8 bytes hold; raise `ValueError`, in a few words, if they hold none."""
    document = parse_json(raw)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def parse_json(raw: bytes) -> object:
    """Return what UTF-8 bytes say in JSON; raise `ValueError`, in a few words, if they are none, or too much."""
    if len(raw) > MAX_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise ValueError("it is too large")
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number without end, a deep nest
        raise ValueError("it is no JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
