"""Publishing: whole files or nothing, and nothing where nothing changed."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from microbadger.image.describe import describe_image
from microbadger.image.documents import document_bytes
from microbadger.image.reference import Repository
from microbadger.site.publisher import Publisher, PublishError

IMAGE = describe_image(Repository.parse("alpine"), [], updated_at=datetime(2026, 11, 20, tzinfo=UTC))


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "public")


def files_in(publisher: Publisher) -> set[str]:
    return {str(path.relative_to(publisher.folder)) for path in publisher.folder.rglob("*")}


def test_it_publishes_bytes_at_a_path(publisher: Publisher) -> None:
    publisher.write("v1/images/a/b.json", "mañana".encode())
    assert publisher.read("v1/images/a/b.json") == "mañana".encode()


def test_what_is_published_can_be_read_by_any_user(publisher: Publisher) -> None:
    publisher.write("a/b.svg", b"")
    modes = [stat.S_IMODE((publisher.folder / path).stat().st_mode) for path in ("a/b.svg", "a", ".")]
    assert modes == [0o644, 0o755, 0o755]


def test_it_tells_whether_something_changed(publisher: Publisher) -> None:
    assert [publisher.write("a", content) for content in (b"1", b"1", b"2")] == [True, False, True]


def test_it_publishes_an_empty_file_where_there_was_none(publisher: Publisher) -> None:
    assert publisher.write("empty", b"")
    assert publisher.read("empty") == b""


def test_it_has_what_is_there_and_not_empty(publisher: Publisher) -> None:
    publisher.write("mañana", b"1")
    publisher.write("empty", b"")
    assert [publisher.has(path) for path in ("mañana", "empty", "none", ".", "mañana/none", "n" * 300)] == [
        True,
        *[False] * 5,
    ]


@pytest.mark.parametrize("content", [b"", b"ma\xf1ana", b"{", b"[" * 100_000, b"[]"])
def test_a_damaged_document_is_none(publisher: Publisher, content: bytes) -> None:
    repository = Repository.parse("alpine")
    publisher.write("v1/images/library/alpine.json", content)
    publisher.write(f"v1/images/library/alpine/version/{'0' * 64}.json", content)
    assert (publisher.read_image(repository), publisher.read_version(repository, "0" * 64)) == (None, None)


def test_an_unchanged_file_is_not_written(publisher: Publisher) -> None:
    publisher.write("a", b"same")
    before = (publisher.folder / "a").stat()
    publisher.write("a", b"same")
    after = (publisher.folder / "a").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_path_that_is_taken_away_takes_its_empty_folders_along(publisher: Publisher) -> None:
    publisher.write("badges/image/a/b.svg", b"")
    publisher.write("badges/image/c.svg", b"")
    publisher.remove("badges/image/a/b.svg")
    assert files_in(publisher) == {"badges", "badges/image", "badges/image/c.svg"}


def test_the_public_folder_itself_stays(publisher: Publisher) -> None:
    publisher.write("a/b", b"")
    publisher.remove("a/b")
    assert publisher.folder.is_dir()


def test_it_tells_that_nothing_was_there_to_take_away(publisher: Publisher) -> None:
    assert not publisher.remove("missing")


def test_it_has_no_folder_as_if_it_were_a_file(publisher: Publisher) -> None:
    publisher.write("a/b", b"")
    assert not publisher.has("a")


def test_it_replaces_an_image_and_tells_what_changed(publisher: Publisher) -> None:
    publisher.write("same", b"same")
    publisher.write("old", b"old")
    changed = publisher.replace({"same": b"same", "badge": b"new", "record": b"new"}, gone={"old", "missing"})
    assert changed == ["badge", "old", "record"]


def test_the_record_is_not_written_if_something_before_it_cannot_be(publisher: Publisher) -> None:
    publisher.write("badge/in-the-way", b"")
    with pytest.raises(PublishError):
        publisher.replace({"badge": b"new", "record": b"new"}, gone=())
    assert not publisher.has("record")


def test_the_record_is_not_written_if_something_cannot_be_taken_away(publisher: Publisher) -> None:
    publisher.write("gone/in-the-way", b"")
    with pytest.raises(PublishError):
        publisher.replace({"badge": b"new", "record": b"new"}, gone={"gone"})
    assert (publisher.has("badge"), publisher.has("record")) == (True, False)


def test_a_write_that_fails_is_told_in_a_sentence(publisher: Publisher) -> None:
    publisher.write("a/b", b"")
    with pytest.raises(PublishError, match=r"^cannot write a into the public folder: Is a directory$"):
        publisher.write("a", b"new")


def test_a_removal_that_fails_is_told_in_a_sentence(publisher: Publisher) -> None:
    publisher.write("a/b", b"")
    with pytest.raises(PublishError, match=r"^cannot remove a from the public folder: Is a directory$"):
        publisher.remove("a")


def test_a_file_that_cannot_be_compared_is_told_in_a_sentence(publisher: Publisher) -> None:
    publisher.folder.mkdir()
    (publisher.folder / "loop").symlink_to("loop")
    with pytest.raises(PublishError, match=r"^cannot write loop into the public folder: "):
        publisher.write("loop", b"new")


def test_it_reads_the_document_of_an_image(publisher: Publisher) -> None:
    publisher.write("v1/images/library/alpine.json", document_bytes(IMAGE))
    assert publisher.read_image(Repository.parse("alpine")) == IMAGE


@pytest.mark.parametrize(
    "content", ["mañana".encode(), b"", b"\xff", b"[]", b"null", b"{}", b'{"Versions": [', b'"Versions"', b"\x00"]
)
def test_a_document_that_cannot_be_read_is_none(publisher: Publisher, content: bytes) -> None:
    publisher.write("v1/images/library/alpine.json", content)
    assert publisher.read_image(Repository.parse("alpine")) is None


def test_an_image_that_was_never_published_has_no_document(publisher: Publisher) -> None:
    assert publisher.read_image(Repository.parse("alpine")) is None
