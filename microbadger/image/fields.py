"""Reads the fields of a registry's documents, each of the right type and within bounds.

A field that is invalid counts as absent, and an absent one is empty: a broken field never hides the others. Only what a
document is nothing without, such as a digest or the size of a layer, raises `InvalidManifest`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from microbadger.image.bounds import cut_text
from microbadger.image.errors import InvalidManifest
from microbadger.image.reference import is_digest
from microbadger.image.strict_json import parse_object

# RFC 3339, and what builders write instead: a space for the T, no colon in the offset, no offset, no time of day.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"(?: ?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)(?: [A-Z]{1,5})?))?)?",  # Go prints the name of a zone behind its offset
    re.ASCII,
)
# Docker is not older than this. Reproducible builds write 1970, and Go writes the year 1, where no time is set.
_FIRST_IMAGE = datetime(2013, 3, 20, tzinfo=UTC)
_LEAP_SECOND = 60
_MAX_OFFSET_HOURS = 23

_MAX_NAME_LENGTH = 255
_MAX_SIZE_BYTES = 2**50


def parse_document(raw: bytes) -> Mapping[str, object]:
    """Return the JSON object in these bytes; Go's reader replaces those that are not UTF-8, too."""
    try:
        return parse_object(raw, errors="replace")
    except ValueError as error:
        raise InvalidManifest(str(error)) from error


def read_object(value: object) -> Mapping[str, object]:
    """Return an object."""
    return value if isinstance(value, dict) else {}


def read_list(value: object, limit: int) -> list[object]:
    """Return the first items of a list, at most so many."""
    return value[:limit] if isinstance(value, list) else []


def require_list(value: object, field: str) -> list[object]:
    """Return a list; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidManifest(f"{field} is not a list")
    return value


def read_texts(value: object) -> Mapping[str, str]:
    """Return labels or annotations, without those that are not texts; long ones are cut."""
    fields = read_object(value)
    return {read_text(key): read_text(text) for key, text in fields.items() if isinstance(text, str)}


def read_name(value: object) -> str | None:
    """Return a short text."""
    text = read_text(value)
    return text if text.strip() and len(text) <= _MAX_NAME_LENGTH else None


def read_text(value: object) -> str:
    """Return a text that can be written as UTF-8, cut if it is long."""
    if not isinstance(value, str):
        return ""
    return cut_text(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_time(value: object) -> datetime | None:
    """Return a time in UTC, the start of the day if it is a date; None for a placeholder from before there was Docker.

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
    """Return a digest, which must be present."""
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidManifest("a digest is missing or invalid")
    return value


def read_size_bytes(value: object) -> int:
    """Return a size in bytes, which must be present."""
    if type(value) is not int or not 0 <= value <= _MAX_SIZE_BYTES:
        raise InvalidManifest("a size is missing or invalid")
    return value


def _offset(sign: str | None, hours: int, minutes: int) -> timezone:
    if minutes >= 60 or hours > _MAX_OFFSET_HOURS:
        raise ValueError("there is no such time zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
