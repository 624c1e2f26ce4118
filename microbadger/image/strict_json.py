"""Parses untrusted JSON within bounds. For any input, the only exception is `ValueError`."""

import json
from typing import NoReturn

MAX_BYTES = 8 * 1024**2
_MAX_DIGITS = 1000
_MAX_PARTS = 500_000  # an empty list is two bytes of JSON and sixty of memory


def parse_object(raw: bytes, errors: str = "strict") -> dict[str, object]:
    """Return the JSON object in UTF-8 bytes. Raises `ValueError`, with a short reason, if there is none.

    ``errors`` says how to handle invalid UTF-8, as for `bytes.decode`.
    """
    document = parse_json(raw, errors)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def parse_json(raw: bytes, errors: str = "strict") -> object:
    """Return the JSON value in UTF-8 bytes. Raises `ValueError`, with a short reason, if it is invalid or too large.

    An integer of more than 1000 digits is read as infinity.
    """
    if len(raw) > MAX_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > _MAX_PARTS:
        raise ValueError("it is too large")
    try:
        return json.loads(raw.decode("utf-8", errors), parse_constant=_refuse_constant, parse_int=_bounded)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
        raise ValueError("it is not JSON") from error


def _bounded(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
