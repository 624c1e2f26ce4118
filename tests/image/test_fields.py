"""Times as people and builders write them, placeholders, texts and sizes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import format_time
from microbadger.image.errors import InvalidManifest
from microbadger.image.fields import read_name, read_size_bytes, read_text, read_time

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T10:00:00Z", TEN),
        ("2026-11-20t10:00:00z", TEN),
        ("2026-11-20T10:00:00z", TEN),
        ("2026-11-20 10:00:00Z", TEN),
        ("2026-11-20 10:00:00 Z", TEN),
        ("2026-11-20 10:00:00 UTC", TEN),
        ("2026-11-20 10:00:00", TEN),
        ("2026-11-20T10:00:00", TEN),
        ("2026-11-20T10:00:00+00:00", TEN),
        ("2026-11-20T10:00:00-00:00", TEN),
        ("2026-11-20T10:00:00+0000", TEN),
        ("2026-11-20 12:00:00 +0200", TEN),
        ("2026-11-20T12:00:00+02:00", TEN),
        ("2026-11-20T04:30:00-0530", TEN),
        ("2026-11-20 12:00:00 +0200 Z", TEN),
        ("2026-11-20 12:00:00 +0200 CHADT", TEN),
        ("2026-11-20T10:59:00+0059", TEN),
        ("2026-11-21T09:59:00+2359", TEN),
        ("2026-11-20T10:00:00.1Z", TEN.replace(microsecond=100_000)),
        ("2026-11-20T10:00:00.000001Z", TEN.replace(microsecond=1)),
        ("2026-11-20T10:00:00.123456789Z", TEN.replace(microsecond=123_456)),
        ("2026-11-20T10:00:00.123456789012Z", TEN.replace(microsecond=123_456)),
        ("2026-11-20T10:00:00." + "9" * 1000 + "Z", TEN.replace(microsecond=999_999)),
        ("2026-11-20T09:59:60Z", TEN),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-11-20", TEN.replace(hour=0)),
        ("2013-03-20T00:00:00Z", datetime(2013, 3, 20, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_it_reads_a_time(text: str, time: datetime) -> None:
    assert read_time(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00Z", "1970-01-01", "1970-01-01T00:00:01Z", "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59", "1980-01-01T00:00:01Z", "1985-10-26T08:15:00Z", "2000-01-01T00:00:00Z",
        "2013-03-19T23:59:59Z", "2013-03-20T00:00:00+01:00", "0000-00-00T00:00:00Z",
    ],
)  # fmt: skip
def test_a_time_from_before_there_was_docker_is_a_placeholder(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    "value",
    [
        "mañana", "", " ", None, 7, 1764583200, 1.5, True, [], {}, "1764583200", "20261120", "20261120T100000Z", "2026",
        "2026-11", "2026-1-2", "2026-11-20T", "2026-11-20T10", "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00ZZ", "2026-11-20T10:00:00+2", "2026-11-20T10:00:00+24:00", "2026-11-20T10:00:00+00:60",
        "2026-11-20T24:00:00Z", "2026-11-20T10:60:00Z", "2026-11-20T10:00:61Z", "2026-11-20  10:00:00Z",
        "2026-02-30T00:00:00Z", "2025-02-29", "2026-13-01", "2026-00-10", "2026-11-31", "2026-11-20T00:00:00+99:99",
        "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:60Z", "10000-01-01T00:00:00Z", "2026-11-20T00:00:00Z\n",
        " 2026-11-20", "٢٠٢٦-11-20T00:00:00Z", "2026-W47-5T00:00:00Z", "Fri Nov 20 10:00:00 2026", "20 Nov 2026",
        "11/20/2026", "$BUILD_DATE", "2026-11-20T10:00:00 CET", "now",
        "2026-11-20 12:00:00 +0200 CHADTX", "2026-11-20 12:00:00 +0200 ",
    ],
)  # fmt: skip
def test_what_is_not_a_time_is_unknown(value: object) -> None:
    assert read_time(value) is None


@given(st.text() | st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ]?[0-9:.+Zz -]*"))
def test_whatever_the_text_is_it_is_a_time_in_utc_or_none(text: str) -> None:
    time = read_time(text)
    assert time is None or time.utcoffset() == timedelta()


@given(st.datetimes(datetime(2013, 3, 21), datetime(9999, 12, 30)).map(lambda time: time.replace(tzinfo=UTC)))
def test_it_reads_back_what_is_published(time: datetime) -> None:
    assert read_time(format_time(time)) == time


@pytest.mark.parametrize(
    ("value", "name"),
    [("mañana", "mañana"), ("x" * 255, "x" * 255), ("x" * 256, None), ("", None), (" \n", None), (7, None)],
)
def test_a_name_is_a_short_text(value: object, name: str | None) -> None:
    assert read_name(value) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [("mañana 😀", "mañana 😀"), ("a\ud83d", "a\ufffd"), ("\ud83d\ude00", "😀"), (b"a", ""), (None, ""), (["a"], "")],
)
def test_a_text_can_be_written_as_utf_8(value: object, text: str) -> None:
    assert read_text(value) == text


@pytest.mark.parametrize("size", [0, 1, 2**50])
def test_a_size_is_a_number_of_bytes(size: int) -> None:
    assert read_size_bytes(size) == size


@pytest.mark.parametrize("value", [-1, 2**50 + 1, 1.0, True, "1", None, [1]])
def test_a_size_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(InvalidManifest):
        read_size_bytes(value)
