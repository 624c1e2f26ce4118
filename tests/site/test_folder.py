"""Publishing: whole files or nothing, and nothing where nothing changed."""

import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from microbadger.site.folder import PublicFolder
from microbadger.site.tree import PublishError


@pytest.fixture
def publisher(tmp_path: Path) -> PublicFolder:
    return PublicFolder(tmp_path / "public")


def files_in(publisher: PublicFolder) -> set[str]:
    return {str(path.relative_to(publisher.folder)) for path in publisher.folder.rglob("*")}


def test_what_is_published_can_be_read_by_any_user(publisher: PublicFolder) -> None:
    publisher.write("a/b.svg", b"")
    modes = [stat.S_IMODE((publisher.folder / path).stat().st_mode) for path in ("a/b.svg", "a", ".")]
    assert modes == [0o644, 0o755, 0o755]


def test_it_publishes_an_empty_file_where_there_was_none(publisher: PublicFolder) -> None:
    assert publisher.write("empty", b"")
    assert publisher.read("empty") == b""


def test_it_has_what_is_there_and_not_empty(publisher: PublicFolder) -> None:
    publisher.write("mañana", b"1")
    publisher.write("empty", b"")
    assert [publisher.has(path) for path in ("mañana", "empty", "none", ".", "mañana/none", "n" * 300)] == [
        True,
        *[False] * 5,
    ]


def test_an_unchanged_file_is_not_written(publisher: PublicFolder) -> None:
    publisher.write("a", b"same")
    before = (publisher.folder / "a").stat()
    publisher.write("a", b"same")
    after = (publisher.folder / "a").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_file_is_removed_with_the_folders_this_leaves_empty(publisher: PublicFolder) -> None:
    publisher.write("badges/image/a/b.svg", b"")
    publisher.write("badges/image/c.svg", b"")
    publisher.remove("badges/image/a/b.svg")
    assert files_in(publisher) == {"badges", "badges/image", "badges/image/c.svg"}


def test_the_public_folder_itself_stays(publisher: PublicFolder) -> None:
    publisher.write("a/b", b"")
    publisher.remove("a/b")
    assert publisher.folder.is_dir()


def test_it_returns_that_there_was_nothing_to_remove(publisher: PublicFolder) -> None:
    assert not publisher.remove("missing")


def test_it_has_no_folder_as_if_it_were_a_file(publisher: PublicFolder) -> None:
    publisher.write("a/b", b"")
    assert not publisher.has("a")
    assert publisher.read("a") is None
    assert not publisher.remove("a/b/c")


def makers(**contents: bytes) -> dict[str, Callable[[], bytes]]:
    return {path: partial(bytes, content) for path, content in contents.items()}


def test_the_last_file_is_not_written_if_one_before_it_cannot_be(publisher: PublicFolder) -> None:
    publisher.write("badge/in-the-way", b"")
    with pytest.raises(PublishError):
        publisher.publish(makers(badge=b"new", record=b"new"))
    assert not publisher.has("record")


def test_the_last_file_is_not_written_if_another_cannot_be_removed(publisher: PublicFolder) -> None:
    publisher.write("gone/in-the-way", b"")
    with pytest.raises(PublishError):
        publisher.publish(makers(badge=b"new", record=b"new"), gone={"gone"})
    assert (publisher.has("badge"), publisher.has("record")) == (True, False)


def test_a_write_that_fails_is_reported_in_a_sentence(publisher: PublicFolder) -> None:
    publisher.write("a/b", b"")
    with pytest.raises(PublishError, match=r"^cannot write a into the public folder: Is a directory$"):
        publisher.write("a", b"new")


def test_a_removal_that_fails_is_reported_in_a_sentence(publisher: PublicFolder) -> None:
    publisher.write("a/b", b"")
    with pytest.raises(PublishError, match=r"^cannot remove a from the public folder: Is a directory$"):
        publisher.remove("a")


def test_a_file_that_cannot_be_compared_is_reported_in_a_sentence(
    publisher: PublicFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.folder.mkdir()
    monkeypatch.chdir(publisher.folder)  # for a whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    with pytest.raises(PublishError, match=r"^cannot write socket into the public folder: "):
        publisher.write("socket", b"new")


class Disk:
    """Notes, each time that a file is flushed, which file it is and which names there are."""

    def __init__(self, folder: Path) -> None:
        self.publisher = PublicFolder(folder, sync=self.sync)
        self.flushed: list[bytes] = []
        self.named: list[set[str]] = []

    def sync(self, file: Path) -> None:
        self.flushed.append(file.read_bytes())
        self.named.append({name for name in files_in(self.publisher) if "/.new-" not in name and name[0] != "."})


WAYS: dict[str, Callable[[PublicFolder], object]] = {
    "one": lambda publisher: publisher.write("badge", b"new"),
    "on request": lambda publisher: publisher.write_if_possible("badge", b"new"),
    "many": lambda publisher: publisher.publish(makers(badge=b"new", record=b"new"), ["gone"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, way: str) -> None:
    disk = Disk(tmp_path / "public")
    WAYS[way](disk.publisher)
    assert set(disk.flushed) == {b"new"}
    assert disk.named[0] == set()
    assert "record" not in set().union(*disk.named)
    assert disk.publisher.read("badge") == b"new"


@pytest.mark.parametrize("way", WAYS)
def test_what_is_there_already_is_not_flushed(tmp_path: Path, way: str) -> None:
    disk = Disk(tmp_path / "public")
    WAYS[way](disk.publisher)
    disk.flushed.clear()
    WAYS[way](disk.publisher)
    assert disk.flushed == []


def test_where_the_disk_fails_the_old_files_stay_and_no_other_is_left(tmp_path: Path) -> None:
    def fail(file: Path) -> None:
        raise OSError(5, "Input/output error")

    old = PublicFolder(tmp_path / "public")
    old.publish(makers(badge=b"old", record=b"old"))
    for way in WAYS.values():
        with suppress(PublishError):
            way(PublicFolder(old.folder, sync=fail))
    assert files_in(old) == {"badge", "record"}
    assert (old.read("badge"), old.read("record")) == (b"old", b"old")
