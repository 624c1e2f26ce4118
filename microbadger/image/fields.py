"""Reads fields of documents from registries, and checks their types and bounds.

An invalid field counts as absent, and an absent field as empty, so that a broken field never hides the others. Only
essential fields, such as a digest or the size of a layer, raise `InvalidManifest`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from microbadger.image.bounds import cut_text
from microbadger.image.errors import InvalidManifest
from microbadger.image.reference import is_digest
from microbadger.image.strict_json import parse_object

# RFC 3339, and the variants that builders write: a space for the T, no colon in the offset, no offset, no time of day.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"(?: ?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)(?: [A-Z]{1,5})?))?)?",  # Go prints the name of the zone after its offset
    re.ASCII,
)
# Docker's first release. If no time is set, reproducible builds write 1970 and Go writes the year 1.
_FIRST_IMAGE = datetime(2013, 3, 20, tzinfo=UTC)
_LEAP_SECOND = 60
_MAX_OFFSET_HOURS = 23

_MAX_NAME_LENGTH = 255
_MAX_SIZE_BYTES = 2**50


def parse_document(raw: bytes) -> Mapping[str, object]:
    """Return the JSON object in these bytes, replacing invalid UTF-8, as Go does.

    Raises `InvalidManifest` if there is no JSON object.
    """
    try:
        return parse_object(raw, errors="replace")
    except ValueError as error:
        raise InvalidManifest(str(error)) from error


def read_object(value: object) -> Mapping[str, object]:
    """Return an object, or an empty one if the value is not an object."""
    return value if isinstance(value, dict) else {}


def read_list(value: object, limit: int) -> list[object]:
    """Return the first items of a list, at most `limit`, or an empty list if the value is not a list."""
    return value[:limit] if isinstance(value, list) else []


def require_list(value: object, field: str) -> list[object]:
    """Return a list, which is empty for null. Raises `InvalidManifest` for other types."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidManifest(f"{field} is not a list")
    return value


def read_texts(value: object) -> Mapping[str, str]:
    """Return labels or annotations. Values that are not texts are left out, and long ones are cut."""
    fields = read_object(value)
    return {read_text(key): read_text(text) for key, text in fields.items() if isinstance(text, str)}


def read_name(value: object) -> str | None:
    """Return a text of at most 255 characters, or None if it is empty, longer or not a text."""
    text = read_text(value)
    return text if text.strip() and len(text) <= _MAX_NAME_LENGTH else None


def read_text(value: object) -> str:
    """Return a text that can be encoded as UTF-8, cut if it is long; empty if the value is not a text."""
    if not isinstance(value, str):
        return ""
    return cut_text(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_time(value: object) -> datetime | None:
    """Return a time in UTC, or None if it is invalid or earlier than Docker. A date means the start of that day.

    >>> read_time("2026-11-20 10:00:00.123456789012+0200")
    datetime.datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(number or 0) for number in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    try:
        offset = _offset(sign, int(offset_hours or 0), int(offset_minutes or 0))
        leap = second == _LEAP_SECOND
        time = datetime(year, month, day, hour, minute, second - leap, microsecond, offset) + timedelta(seconds=leap)
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time >= _FIRST_IMAGE else None


def read_digest(value: object) -> str:
    """Return a digest. Raises `InvalidManifest` if it is missing or invalid."""
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidManifest("a digest is missing or invalid")
    return value


def read_size_bytes(value: object) -> int:
    """Return a size in bytes. Raises `InvalidManifest` if it is missing or invalid."""
    if type(value) is not int or not 0 <= value <= _MAX_SIZE_BYTES:
        raise InvalidManifest("a size is missing or invalid")
    return value


def _offset(sign: str | None, hours: int, minutes: int) -> timezone:
    if minutes >= 60 or hours > _MAX_OFFSET_HOURS:
        raise ValueError("there is no such time zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
