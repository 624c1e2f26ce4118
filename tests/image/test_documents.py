"""How names, times and documents are written, and when two documents are the same."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from microbadger.image.describe import describe_image, outline_version, tagged
from microbadger.image.documents import ImageDocument, document_bytes, format_time, image_name, is_same, sha_of
from microbadger.image.reference import Repository

APP = Repository.parse("owner/app")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED = datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def image(letter: str = "a", *, updated_at: datetime = NOON) -> ImageDocument:
    return describe_image(APP, [tagged(outline_version(APP, digest(letter)), ["latest"])], updated_at=updated_at)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("alpine", "alpine"), ("owner/app", "owner/app"), ("ghcr.io/a/b", "ghcr.io/a/b"), ("library/a/b", "library/a/b")],
)
def test_an_image_has_the_name_people_use(name: str, shown: str) -> None:
    assert image_name(Repository.parse(name)) == shown


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (CREATED, "2018-12-14T08:47:51.363852Z"),
        (NOON, "2026-11-20T12:00:00Z"),
        (datetime(2026, 11, 20, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11-19T23:30:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_in_utc(moment: datetime, text: str) -> None:
    assert format_time(moment) == text


def test_texts_cannot_become_markup() -> None:
    assert document_bytes({"<a&b>": "</script>"}) == b'{"\\u003ca\\u0026b\\u003e":"\\u003c/script\\u003e"}\n'


def test_other_texts_are_written_as_they_are() -> None:
    assert document_bytes({"a": "MAÑANA X 😀", "b": [1, None]}) == '{"a":"MAÑANA X 😀","b":[1,null]}\n'.encode()


def test_half_a_character_does_not_break_a_document() -> None:
    assert document_bytes({"a": "\ud83d"}) == b'{"a":"?"}\n'


@pytest.mark.parametrize(("given", "sha"), [(digest("a"), "a" * 64), ("sha512:ff", "ff")])
def test_a_sha_is_a_digest_without_its_algorithm(given: str, sha: str) -> None:
    assert sha_of(given) == sha


def test_documents_that_differ_in_their_update_alone_are_the_same() -> None:
    assert is_same(image(), image(updated_at=NOON + timedelta(days=1)))


def test_documents_with_other_versions_are_not_the_same() -> None:
    assert not is_same(image("a"), image("b"))


def test_documents_with_another_field_are_not_the_same() -> None:
    assert not is_same({**image(), "PullCount": 1}, image())


def test_the_first_document_is_not_the_same() -> None:
    assert not is_same(None, image())
