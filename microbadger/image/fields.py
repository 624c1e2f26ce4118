"""Reads the fields of a registry's documents, each of the right type and within bounds.

An absent field is read as an empty one. A field of the wrong type or size raises `InvalidManifest`, except for texts
and times: those that are invalid count as absent.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from microbadger.image.errors import InvalidManifest
from microbadger.image.reference import is_digest
from microbadger.image.strict_json import parse_object

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)

_MAX_TEXTS = 1000
_MAX_TEXT_LENGTH = 1024**2  # build packs keep whole bills of materials in one label
_MAX_NAME_LENGTH = 255
_MAX_SIZE_BYTES = 2**50


def parse_document(raw: bytes) -> Mapping[str, object]:
    """Return the JSON object in these bytes."""
    try:
        return parse_object(raw)
    except ValueError as error:
        raise InvalidManifest(str(error)) from error


def read_object(value: object, field: str) -> Mapping[str, object]:
    """Return an object, empty if it is absent."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidManifest(f"{field} is not an object")
    return value


def read_list(value: object, field: str, limit: int) -> list[object]:
    """Return a list, empty if it is absent."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidManifest(f"{field} is not a list")
    if len(value) > limit:
        raise InvalidManifest(f"it has more than {limit} {field}")
    return value


def read_texts(value: object, field: str) -> Mapping[str, str]:
    """Return labels or annotations, without values that are not texts."""
    fields = read_object(value, field)
    if len(fields) > _MAX_TEXTS:
        raise InvalidManifest(f"it has more than {_MAX_TEXTS} {field}")
    return {read_text(key, field): read_text(text, field) for key, text in fields.items() if isinstance(text, str)}


def read_name(value: object, field: str) -> str | None:
    """Return a short text, None if it is absent or empty."""
    text = read_text(value, field)
    if len(text) > _MAX_NAME_LENGTH:
        raise InvalidManifest(f"{field} is too long")
    return text or None


def read_text(value: object, field: str) -> str:
    """Return a text that can be written as UTF-8, empty if the value is not a text."""
    if not isinstance(value, str):
        return ""
    if len(value) > _MAX_TEXT_LENGTH:
        raise InvalidManifest(f"{field} is too long")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_time(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC; None if it is invalid, or Go's zero time, which means "not set"."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        time = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year > 1 else None


def read_digest(value: object) -> str:
    """Return a digest, which must be present."""
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidManifest("a digest is missing or invalid")
    return value


def read_size_bytes(value: object) -> int:
    """Return a size in bytes, which must be present."""
    if type(value) is not int or not 0 <= value <= _MAX_SIZE_BYTES:
        raise InvalidManifest("a size is missing or invalid")
    return value
