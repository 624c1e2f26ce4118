"""What Docker Hub's web API tells, field by field, whatever it sends."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.docker_hub import parse_details
from microbadger.metadata import HubDetails, format_time

# https://docs.docker.com/reference/api/hub/latest/
ANSWER = {
    "user": "owner",
    "name": "app",
    "namespace": "owner",
    "repository_type": "image",
    "status": 1,
    "description": "mañana",
    "is_private": False,
    "star_count": 3,
    "pull_count": 1_234_567,
    "last_updated": "2018-12-14T08:47:51.363852Z",
}
NOTHING = HubDetails()


def parse(**fields: object) -> HubDetails | None:
    return parse_details(json.dumps(fields).encode())


def test_it_reads_what_docker_hub_tells() -> None:
    updated = datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)
    assert parse(**ANSWER) == HubDetails("mañana", updated, 1_234_567, 3)


@pytest.mark.parametrize("body", ["mañana".encode(), b"", b"\xff", b"[]", b"null", b"1", b'"x"', b"{", b"[" * 100_000])
def test_what_is_no_object_tells_nothing(body: bytes) -> None:
    assert parse_details(body) is None


def test_an_empty_object_tells_of_no_field() -> None:
    assert parse() == NOTHING


@pytest.mark.parametrize(
    ("sent", "told"),
    [(" mañana\n", "mañana"), ("", None), (" \n", None), (None, None), (1, None), (["a"], None), ({}, None)],
)
def test_a_description_is_a_text_that_says_something(sent: object, told: str | None) -> None:
    assert parse(description=sent) == HubDetails(description=told)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (0, 0),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (1.5, None),
        (True, None),
        ("7", None),
        (None, None),
        ([7], None),
    ],
)
def test_a_count_is_a_whole_number(sent: object, told: int | None) -> None:
    assert parse(pull_count=sent, star_count=sent) == HubDetails(pull_count=told, star_count=told)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("mañana", None),
        ("", None),
        (None, None),
        (1544777271, None),
        ("2018-12-14T08:47:51Z", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
        ("2018-12-14T10:47:51+02:00", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
        ("2018-12-14T08:47:51.363852123Z", datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2018-12-14T08:47:51", datetime(2018, 12, 14, 8, 47, 51, tzinfo=UTC)),
        ("2018-13-14T08:47:51Z", None),
    ],
)
def test_a_time_is_one_in_utc(sent: object, told: datetime | None) -> None:
    assert parse(last_updated=sent) == HubDetails(last_updated=told)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str) | st.lists(st.none())


@given(st.dictionaries(st.sampled_from(["description", "last_updated", "pull_count", "star_count"]), values))
def test_whatever_docker_hub_sends_can_be_published(fields: dict[str, object]) -> None:
    details = parse(**fields)
    assert details is not None
    assert details.last_updated is None or format_time(details.last_updated).endswith("Z")


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    assert parse_details(body) is None or body
