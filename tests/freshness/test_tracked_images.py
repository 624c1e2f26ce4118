"""Which images are tracked: good and bad lines, an edited file, an emptied one, and many processes at once."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import NotTracked, TrackedImages, parse_line
from microbadger.image.reference import InvalidReference, Repository
from microbadger.store.database import Database
from microbadger.store.files import stamp_of
from microbadger.store.meta import write_value
from tests.databases import database_url

ALPINE, TRIVY = Repository.parse("alpine"), Repository.parse("ghcr.io/aquasecurity/trivy")
WEB = Repository.parse("example/web")
DIGEST = f"sha256:{'a' * 64}"
ROOT = Path(__file__).parents[2]
LONG_AGO = 1_000_000_000

PROCESS = """
import sys
from pathlib import Path
from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from tests.freshness.test_tracked_images import ALPINE, tracked_in

tracked = tracked_in(Path(sys.argv[1]))
for number in range(20):
    own = Repository.parse(f"{sys.argv[2]}/{number}")
    assert tracked.track(TrackedImage(own))
    assert tracked.track(TrackedImage(ALPINE, frozenset([f"{sys.argv[2]}-{number}"])))
    if number % 2:
        tracked.untrack(own)
"""

# line, familiar name, kept tags, private
GOOD_LINES = [
    ("alpine # mañana", "library/alpine", set(), False),
    ("alpine", "library/alpine", set(), False),
    ("alpine#comment", "library/alpine", set(), False),
    ("  alpine\t", "library/alpine", set(), False),
    ("alpine\r", "library/alpine", set(), False),
    ("alpine:3.20", "library/alpine", {"3.20"}, False),
    ("a/b", "a/b", set(), False),
    ("a/b private", "a/b", set(), True),
    ("a/b\tprivate # because", "a/b", set(), True),
    ("ghcr.io/a/b:1.0 private", "ghcr.io/a/b", {"1.0"}, True),
    ("localhost:5000/web:Edge", "localhost:5000/web", {"Edge"}, False),
]
BAD_LINES = [
    "mañana",
    "../etc",
    "a/../b",
    "A/b",
    "a b",
    "a/b public",
    "a/b private private",
    "a/b hook",
    "a/b hook=",
    "a/b hook=1234567",
    "a/b hook=mañana-mañana",
    "a/b hook=12345678?",
    f"a/b hook={'x' * 129}",
    "a/b hook= 12345678",
    "a/b Hook=12345678",
    "a/b hook=12345678 public",
    "hook=12345678 a/b",
    "a/b Private",
    "private a/b private",
    "a/b:",
    "-a/b",
    "a\x00b",
    "https://hub.docker.com/r/a/b",
    f"a/b@{DIGEST}",
    f"a/b:1@{DIGEST}",
]


def tracked_in(folder: Path, named: str = "") -> TrackedImages:
    """Return the tracked images as a process that has just started has them."""
    return TrackedImages(folder / "images.txt", named, Database(database_url(folder)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "images.txt"


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[TrackedImages]:
    database = Database(database_url(tmp_path))
    yield TrackedImages(tmp_path / "images.txt", "", database)
    database.close()


def names(images: TrackedImages) -> list[str]:
    return [image.repository.familiar for image in images]


def write(file: Path, content: str | bytes) -> None:
    """Write a file long ago, so that it is taken for whole."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (LONG_AGO, LONG_AGO))


# Lines


@pytest.mark.parametrize(("line", "name", "tags", "private"), GOOD_LINES)
def test_it_reads_a_line(line: str, name: str, tags: set[str], private: bool) -> None:
    assert parse_line(line) == TrackedImage(Repository.parse(name), frozenset(tags), private)


@pytest.mark.parametrize("line", ["# mañana", "", "   ", "#", "  # alpine"])
def test_a_line_without_a_name_tracks_nothing(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_does_not_name_an_image_is_refused(line: str) -> None:
    with pytest.raises(InvalidReference):
        parse_line(line)


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_reported_and_leaves_the_others_alone(file: Path, tracked: TrackedImages, line: str) -> None:
    file.write_text(f"alpine\n{line}\nghcr.io/aquasecurity/trivy\n")
    assert names(tracked) == ["library/alpine", "ghcr.io/aquasecurity/trivy"]
    assert [problem[:26] for problem in tracked.problems] == ["images.txt line 2 is left "]


def test_a_password_in_a_bad_line_is_not_reported(file: Path, tracked: TrackedImages) -> None:
    file.write_text("https://robot:pässword@registry.example.org/team/app?signature=51gn\n")
    (problem,) = tracked.problems
    assert "'https://[hidden]@registry.example.org/team/app?[hidden]'" in problem


def test_a_bad_line_is_logged_once(file: Path, tracked: TrackedImages, caplog: pytest.LogCaptureFixture) -> None:
    write(file, "alpine\nA/b\n")
    for _ in range(3):
        names(tracked)
    assert [record.getMessage()[:17] for record in caplog.records] == ["event=not_tracked"]


def test_a_bad_name_in_the_settings_is_reported(tmp_path: Path) -> None:
    tracked = tracked_in(tmp_path, "alpine A/b")
    assert [problem.partition(" is left out: ")[0] for problem in tracked.problems] == ["MICROBADGER_IMAGES"]


@pytest.mark.parametrize("line", BAD_LINES)
def test_nothing_is_removed_because_of_a_file_with_a_line_that_cannot_be_read(
    file: Path, tracked: TrackedImages, line: str
) -> None:
    write(file, f"alpine\n{line}\n")
    assert not tracked.is_trusted


TOKEN, OTHER_TOKEN = "1f_AbD-x0cSHtyVz5ZkLm8PqRw4=", "a+b/CD/ef12="


@pytest.mark.parametrize(
    ("line", "tokens", "private"),
    [
        (f"a/b hook={TOKEN} # mañana", {TOKEN}, False),
        (f"a/b hook={TOKEN} hook={OTHER_TOKEN}", {TOKEN, OTHER_TOKEN}, False),
        (f"a/b hook={TOKEN} hook={TOKEN}", {TOKEN}, False),
        (f"a/b private hook={TOKEN}", {TOKEN}, True),
        (f"a/b hook={TOKEN} private", {TOKEN}, True),
        (f"a/b\thook={TOKEN} private\thook={OTHER_TOKEN}\r", {TOKEN, OTHER_TOKEN}, True),
        ("a/b hook=12345678#9", {"12345678"}, False),
        (f"a/b hook={'x' * 128}", {"x" * 128}, False),
    ],
)
def test_a_line_may_have_old_tokens(line: str, tokens: set[str], private: bool) -> None:
    expected = TrackedImage(Repository.parse("a/b"), private=private, old_tokens=frozenset(tokens))
    assert parse_line(line) == expected


def test_an_image_has_the_old_tokens_of_all_its_lines(file: Path, tracked: TrackedImages) -> None:
    file.write_text(f"a/b hook={TOKEN}\na/b:1 private hook={OTHER_TOKEN}\n")
    tracked.track(TrackedImage(Repository.parse("a/b"), frozenset({"2"})))
    assert tracked.old_tokens(Repository.parse("a/b")) == {TOKEN, OTHER_TOKEN}
    assert [image.old_tokens for image in tracked] == [{TOKEN, OTHER_TOKEN}]


def test_other_images_have_no_old_token(file: Path, tracked: TrackedImages) -> None:
    file.write_text(f"a/b hook={TOKEN}\nalpine\n")
    tracked.put(TrackedImage(TRIVY))
    assert [tracked.old_tokens(each) for each in (ALPINE, TRIVY, WEB)] == [frozenset()] * 3


def test_old_tokens_outlive_the_file(file: Path, tracked: TrackedImages) -> None:
    write(file, f"a/b hook={TOKEN}\n")
    tracked.remember()
    write(file, b"")
    assert tracked.old_tokens(Repository.parse("a/b")) == {TOKEN}


@pytest.mark.parametrize("line", [f"a/b hook={TOKEN}?", f"hook={TOKEN}", f"a/b hook {TOKEN}", f"a/b,hook={TOKEN}"])
def test_an_old_token_is_not_in_a_problem(file: Path, tracked: TrackedImages, line: str) -> None:
    file.write_text(line)
    (problem,) = tracked.problems
    assert TOKEN[:8] not in problem


def test_an_old_token_is_not_in_what_an_image_looks_like_to_programmers() -> None:
    assert TOKEN not in repr(parse_line(f"a/b hook={TOKEN}"))


def test_an_old_token_in_the_settings_is_not_in_a_problem(tmp_path: Path) -> None:
    assert TOKEN not in " ".join(tracked_in(tmp_path, f"a/b hook={TOKEN}").problems)


# Byte order marks

UTF8, UTF16_LE, UTF16_BE = b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"
LINES = "alpine\r\n# mañana\r\nexample/web private\r\n"
MARKED = {
    "UTF-8": UTF8 + LINES.encode(),
    "UTF-16, as PowerShell writes it": UTF16_LE + LINES.encode("utf-16-le"),
    "UTF-16, the other way round": UTF16_BE + LINES.encode("utf-16-be"),
    "UTF-32": LINES.encode("utf-32"),
    "UTF-32, the other way round": b"\0\0" + UTF16_BE + LINES.encode("utf-32-be"),
    "twice": UTF8 * 2 + LINES.encode(),
    "two files in one": b"alpine\n" + UTF8 + b"example/web private\n",
    "two marked files in one": UTF8 + b"alpine\n" + UTF8 + b"example/web private\n",
    "two files of UTF-16 in one": b"".join(UTF16_LE + line.encode("utf-16-le") for line in LINES.splitlines(True)),
    "UTF-16 behind UTF-8": b"alpine\n" + UTF16_LE + "example/web private\n".encode("utf-16-le"),
    "UTF-8 behind UTF-16": UTF16_BE + "alpine\n".encode("utf-16-be") + UTF8 + b"example/web private\n",
    "within lines": "alp\ufeffine\nexample/web\ufeff \ufeffprivate\ufeff\n\ufeff\n".encode(),
    "before a comment": "\ufeff# mañana\nalpine\nexample/web private".encode(),
    "at the end": b"alpine\nexample/web private\n" + UTF8,
}


@pytest.mark.parametrize("content", MARKED.values(), ids=MARKED)
def test_a_byte_order_mark_is_ignored(
    tmp_path: Path, file: Path, tracked: TrackedImages, content: bytes
) -> None:
    expected = [TrackedImage(ALPINE), TrackedImage(WEB, private=True)]
    write(file, content)
    assert (list(tracked), tracked.problems, tracked.is_trusted) == (expected, (), True)

    tracked.remember()
    write(file, b"")
    assert list(tracked_in(tmp_path)) == expected


def test_a_byte_order_mark_in_an_older_remembered_copy_is_ignored(file: Path, tracked: TrackedImages) -> None:
    with tracked._database.write() as connection:
        write_value(connection, "images.txt", "\ufeffalpine\n\ufeffexample/web\n")
    write(file, b"")
    assert names(tracked) == ["library/alpine", "example/web"]


@pytest.mark.parametrize("mark", [UTF8, UTF16_LE, UTF16_BE, UTF8 * 2])
def test_a_file_that_holds_only_a_byte_order_mark_is_an_emptied_one(
    file: Path, tracked: TrackedImages, mark: bytes
) -> None:
    write(file, "alpine\n")
    tracked.remember()
    write(file, mark)
    tracked.remember()
    assert (names(tracked), tracked.is_trusted) == (["library/alpine"], False)


@pytest.mark.parametrize("odd", ["\ufeff", "\u200b", "\u00ad", "\u2060", "\u200e", "\u202a"])
def test_invisible_characters_in_a_name_are_ignored(tmp_path: Path, file: Path, odd: str) -> None:
    write(file, f"{odd}exam{odd}ple/web:1{odd} {odd}private\n".encode())
    tracked = tracked_in(tmp_path, f"{odd}alpine{odd},{odd} a/{odd}b{odd}")
    assert names(tracked) == ["example/web", "library/alpine", "a/b"]
    assert tracked.get(WEB) == TrackedImage(WEB, frozenset({"1"}), private=True)
    assert tracked.problems == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_whatever_the_file_holds_the_settings_still_count(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images.txt").write_bytes(content)
    assert "library/alpine" in names(tracked_in(tmp_path, "alpine"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_each_problem_can_be_shown_anywhere(tmp_path: Path, line: str) -> None:
    (tmp_path / "images.txt").write_bytes(line.encode() + b"\xff")
    assert all(problem.encode("utf-8").decode().isprintable() for problem in tracked_in(tmp_path).problems)


# The union of the file, the settings and the database


def test_images_are_listed_as_the_file_lists_them(file: Path, tracked: TrackedImages) -> None:
    file.write_text("ghcr.io/aquasecurity/trivy\nalpine\na/b\n")
    assert names(tracked) == ["ghcr.io/aquasecurity/trivy", "library/alpine", "a/b"]


def test_after_the_file_come_the_settings_and_then_what_was_tracked_in_that_order(tmp_path: Path) -> None:
    write(tmp_path / "images.txt", "z/file\n")
    tracked = tracked_in(tmp_path, "y/settings")
    for name in ("x/one", "a/two"):
        tracked.track(TrackedImage(Repository.parse(name)))
    assert names(tracked) == ["z/file", "y/settings", "x/one", "a/two"]


def test_an_image_on_several_lines_is_one_with_all_that_they_say(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine:3.20\ndocker.io/library/alpine:edge private\nalpine\n")
    assert list(tracked) == [TrackedImage(ALPINE, frozenset({"3.20", "edge"}), private=True)]


def test_an_image_of_all_three_sources_is_one_with_all_that_they_say(tmp_path: Path) -> None:
    write(tmp_path / "images.txt", "alpine:3.20\n")
    tracked = tracked_in(tmp_path, "alpine:edge")
    tracked.put(TrackedImage(ALPINE, frozenset({"3.21"}), private=True))
    expected = TrackedImage(ALPINE, frozenset({"3.20", "edge", "3.21"}), private=True)
    assert (list(tracked), tracked.get(ALPINE)) == ([expected], expected)


@pytest.mark.parametrize("named", ["alpine,a/b", "alpine a/b", " alpine ,\n a/b, ", "alpine,alpine\ta/b"])
def test_the_settings_name_images_between_spaces_or_commas(tmp_path: Path, named: str) -> None:
    assert names(tracked_in(tmp_path, named)) == ["library/alpine", "a/b"]


def test_no_file_means_no_image(tracked: TrackedImages) -> None:
    assert (names(tracked), tracked.problems) == ([], ())


def test_a_folder_in_the_place_of_the_file_means_no_image(file: Path, tracked: TrackedImages) -> None:
    file.mkdir()
    assert names(tracked) == []


def test_a_tracked_image_is_found(file: Path, tracked: TrackedImages) -> None:
    file.write_text("ghcr.io/aquasecurity/trivy:0.50 private\n")
    assert tracked.get(TRIVY) == TrackedImage(TRIVY, frozenset({"0.50"}), private=True)


def test_an_image_that_is_not_tracked_is_not_found(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    assert tracked.get(TRIVY) is None


def test_an_image_is_tracked_if_the_file_or_a_command_names_it(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    tracked.track(TrackedImage(TRIVY))
    assert [image in tracked for image in (ALPINE, TRIVY, WEB)] == [True, True, False]


def test_images_are_found_by_their_path_in_every_registry(file: Path, tracked: TrackedImages) -> None:
    write(file, "quay.io/example/web\nexample/web\nexample/web2\n")
    stored = Repository.parse("ghcr.io/example/web")
    for repository in (WEB, stored):
        tracked.put(TrackedImage(repository))
    assert tracked.at_path("example/web") == [Repository.parse("quay.io/example/web"), WEB, stored]
    assert tracked.at_path("example") == []


# An edited file


def test_an_edited_file_is_seen_at_once(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    before = names(tracked)
    file.write_text("alpine\na/b\n")
    assert (before, names(tracked)) == (["library/alpine"], ["library/alpine", "a/b"])
    assert tracked.at_path("a/b") == [Repository.parse("a/b")]


def test_an_edit_that_keeps_the_size_is_seen(file: Path, tracked: TrackedImages) -> None:
    file.write_text("a/b\n")
    before = names(tracked)
    file.write_text("c/d\n")
    os.utime(file, ns=(1, 1))
    assert (before, names(tracked)) == (["a/b"], ["c/d"])


def test_a_removed_file_is_seen(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    before = names(tracked)
    file.unlink()
    assert (before, names(tracked)) == (["library/alpine"], [])


def test_a_repaired_file_has_no_problem(file: Path, tracked: TrackedImages) -> None:
    write(file, "A/b\n")
    assert tracked.problems
    write(file, "a/b # repaired\n")
    assert (tracked.problems, tracked.is_trusted) == ((), True)


def test_a_file_that_was_just_written_may_be_half_of_it(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    assert not tracked.is_trusted


@pytest.mark.parametrize("written_at", [LONG_AGO, 4_000_000_000])
def test_a_file_that_was_written_long_ago_or_before_the_clock_was_set_back_is_whole(
    file: Path, tracked: TrackedImages, written_at: int
) -> None:
    file.write_text("alpine\n")
    os.utime(file, (written_at, written_at))
    assert tracked.is_trusted


@pytest.mark.parametrize(("named", "is_trusted"), [("", False), ("alpine", True)])
def test_where_there_is_no_file_it_may_be_on_its_way_unless_the_settings_name_images(
    tmp_path: Path, named: str, is_trusted: bool
) -> None:
    assert tracked_in(tmp_path, named).is_trusted is is_trusted


def test_the_stamp_changes_with_whatever_changes_the_tracked_images(file: Path, tracked: TrackedImages) -> None:
    changes: list[Callable[[], object]] = [
        lambda: write(file, "alpine\n"),
        lambda: tracked.track(TrackedImage(WEB)),
        lambda: tracked.put(TrackedImage(WEB, private=True)),
        lambda: tracked.untrack(WEB),
        lambda: write(file, "alpine\na/b\n"),
    ]
    stamps = [tracked.stamp]
    for change in changes:
        change()
        stamps.append(tracked.stamp)
    assert len(set(stamps)) == len(stamps)


def test_the_stamp_stays_while_nothing_changes(file: Path, tracked: TrackedImages) -> None:
    write(file, "alpine\n")
    tracked.track(TrackedImage(WEB))
    before = tracked.stamp
    tracked.track(TrackedImage(WEB))
    names(tracked)
    assert tracked.stamp == before


# An emptied file


def test_an_emptied_file_still_tracks_what_it_named(file: Path, tracked: TrackedImages) -> None:
    write(file, "a/mañana\na/b:1 private\n")
    before = list(tracked)
    tracked.remember()
    write(file, b"")
    assert (list(tracked), tracked.is_trusted) == (before, False)
    assert "images.txt is empty" in tracked.problems[-1]


def test_a_process_that_never_saw_the_file_knows_what_it_named(
    tmp_path: Path, file: Path, tracked: TrackedImages
) -> None:
    write(file, b"\xef\xbb\xbfghcr.io/aquasecurity/trivy\na/b:1 private\na/b:2\n")
    tracked.remember()
    write(file, b"")
    tracked.track(TrackedImage(WEB))
    assert list(tracked_in(tmp_path)) == [
        TrackedImage(TRIVY),
        TrackedImage(Repository.parse("a/b"), frozenset({"1", "2"}), private=True),
        TrackedImage(WEB),
    ]


def test_what_an_emptied_file_named_cannot_be_untracked(file: Path, tracked: TrackedImages) -> None:
    write(file, "alpine\n")
    tracked.remember()
    write(file, b"")
    with pytest.raises(NotTracked, match="listed in"):
        tracked.untrack(ALPINE)


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_still_one_when_the_file_is_emptied(file: Path, tracked: TrackedImages, line: str) -> None:
    write(file, f"alpine\n{line}\n")
    tracked.remember()
    write(file, b"")
    assert names(tracked) == ["library/alpine"]


def test_what_was_taken_out_of_a_file_before_it_was_emptied_is_not_tracked(file: Path, tracked: TrackedImages) -> None:
    for content in ("alpine\na/b\n", "a/b\n"):
        write(file, content)
        tracked.remember()
    write(file, b"")
    tracked.remember()
    assert names(tracked) == ["a/b"]


def test_a_tag_alone_is_untracked_and_the_image_stays(tracked: TrackedImages) -> None:
    tracked.track(TrackedImage(ALPINE, frozenset({"3.20", "edge"}), private=True))
    tracked.untrack(ALPINE, "3.20")
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"edge"}), private=True)
    tracked.untrack(ALPINE, "edge")
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, private=True)


def test_nothing_is_left_of_a_tag_of_an_image_that_the_file_lists(file: Path, tracked: TrackedImages) -> None:
    write(file, "alpine\n")
    tracked.track(TrackedImage(ALPINE, frozenset({"3.20"})))
    tracked.untrack(ALPINE, "3.20")
    write(file, "# nothing\n")
    assert tracked.get(ALPINE) is None


def test_a_tag_that_the_file_lists_cannot_be_untracked(file: Path, tracked: TrackedImages) -> None:
    write(file, "alpine:3.20\n")
    with pytest.raises(NotTracked, match=r"^alpine:3\.20 is listed in data/images\.txt: remove it there\.$"):
        tracked.untrack(ALPINE, "3.20")


def test_a_tag_that_the_settings_name_cannot_be_untracked(tmp_path: Path) -> None:
    with pytest.raises(NotTracked, match=r"^alpine:3\.20 is listed in MICROBADGER_IMAGES: remove it there\.$"):
        tracked_in(tmp_path, "alpine:3.20").untrack(ALPINE, "3.20")


@pytest.mark.parametrize("tag", ["edge", "latest"])
def test_a_tag_that_is_not_kept_by_name_cannot_be_untracked(tracked: TrackedImages, tag: str) -> None:
    tracked.track(TrackedImage(ALPINE, frozenset({"3.20"})))
    with pytest.raises(NotTracked, match=rf"^alpine:{tag} is not a tag that is kept by name; "):
        tracked.untrack(ALPINE, tag)
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"3.20"}))


@pytest.mark.parametrize("content", ["# mañana\n", "\n"])
def test_a_file_that_holds_a_comment_tracks_nothing(file: Path, tracked: TrackedImages, content: str) -> None:
    write(file, "alpine\n")
    tracked.remember()
    write(file, content)
    assert (names(tracked), tracked.is_trusted, tracked.problems) == ([], True, ())


@pytest.mark.parametrize(("named", "expected"), [("", []), ("alpine", ["library/alpine"])])
def test_an_empty_file_that_never_named_an_image_is_just_that(
    tmp_path: Path, file: Path, named: str, expected: list[str]
) -> None:
    write(file, b"")
    tracked = tracked_in(tmp_path, named)
    tracked.remember()
    assert (names(tracked), tracked.is_trusted, tracked.problems) == (expected, True, ())


@pytest.mark.parametrize("content", [b"\0" * 4096, b"\xff\x00garbage\n\x01\x02\n", b"\x1f\x8b\x08\0\n", b"\xff\xff\n"])
def test_a_file_of_bytes_that_are_no_text_still_tracks_what_it_named(
    file: Path, tracked: TrackedImages, content: bytes
) -> None:
    write(file, "alpine\n")
    tracked.remember()
    write(file, content)
    tracked.remember()
    assert (names(tracked), tracked.is_trusted) == (["library/alpine"], False)
    assert "images.txt is not text" in tracked.problems[-1]


@pytest.mark.parametrize("content", [b"mysql\n\0\xff\n", "!mañana\n".encode(), b"\t??\r\n"])
def test_a_line_that_somebody_may_have_written_is_an_edit(file: Path, tracked: TrackedImages, content: bytes) -> None:
    write(file, "alpine\n")
    tracked.remember()
    write(file, content)
    assert "library/alpine" not in names(tracked)


# A file that cannot be read


def make_unreadable(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def test_a_file_that_cannot_be_read_still_tracks_what_it_named(
    tmp_path: Path, file: Path, tracked: TrackedImages
) -> None:
    write(file, "a/b:1 private\n")
    before = list(tracked)
    tracked.remember()
    make_unreadable(file)
    for process in (tracked, tracked_in(tmp_path)):
        process.remember()
        assert (list(process), process.is_trusted) == (before, False)
        assert process.problems[-1].startswith("images.txt cannot be read (Too many levels of symbolic links), ")


def test_a_file_that_could_never_be_read_is_reported_once(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.symlink_to(file)
    tracked = tracked_in(tmp_path, "alpine")
    for _ in range(3):
        assert (names(tracked), tracked.is_trusted, len(tracked.problems)) == (["library/alpine"], False, 1)
    assert len(caplog.records) == 1


def test_a_file_that_can_be_read_again_is(file: Path, tracked: TrackedImages) -> None:
    file.symlink_to(file)
    names(tracked)
    file.unlink()
    write(file, "alpine\n")
    assert (names(tracked), tracked.problems, tracked.is_trusted) == (["library/alpine"], (), True)


# Tracking and untracking


def test_an_image_that_one_process_tracks_is_tracked_by_all(tmp_path: Path, tracked: TrackedImages) -> None:
    image = TrackedImage(TRIVY, frozenset({"0.50"}), private=True)
    assert tracked.track(image)
    assert list(tracked_in(tmp_path)) == [image]


@pytest.mark.parametrize(
    ("image", "is_changed"),
    [
        (TrackedImage(ALPINE), False),
        (TrackedImage(ALPINE, frozenset({"3.20"})), False),
        (TrackedImage(ALPINE, frozenset({"edge"})), True),
        (TrackedImage(ALPINE, private=True), True),
        (TrackedImage(TRIVY), True),
    ],
)
def test_it_tells_whether_tracking_changed_something(
    file: Path, tracked: TrackedImages, image: TrackedImage, is_changed: bool
) -> None:
    file.write_text("alpine:3.20\n")
    assert tracked.track(image) is is_changed


def test_tracking_again_adds_to_the_tags_and_the_privacy(tracked: TrackedImages) -> None:
    tracked.track(TrackedImage(ALPINE, frozenset({"3.20"}), private=True))
    tracked.track(TrackedImage(ALPINE, frozenset({"edge"})))
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"3.20", "edge"}), private=True)


def test_putting_replaces_the_tags_and_the_privacy(tracked: TrackedImages) -> None:
    tracked.put(TrackedImage(ALPINE, frozenset({"3.20"}), private=True))
    tracked.put(TrackedImage(ALPINE, frozenset({"edge"})))
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"edge"}))


def test_what_is_taken_out_of_the_file_is_not_kept_by_tracking_the_image_meanwhile(
    file: Path, tracked: TrackedImages
) -> None:
    write(file, "alpine:3.20 private\n")
    tracked.track(TrackedImage(ALPINE, frozenset({"edge"})))
    write(file, "# nothing\n")
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"edge"}))


def test_an_untracked_image_is_gone(tracked: TrackedImages) -> None:
    tracked.track(TrackedImage(ALPINE, frozenset({"3.20"})))
    tracked.untrack(ALPINE)
    assert (names(tracked), tracked.get(ALPINE), tracked.at_path("library/alpine")) == ([], None, [])


def test_an_image_that_the_file_lists_cannot_be_untracked(file: Path, tracked: TrackedImages) -> None:
    file.write_text("alpine\n")
    tracked.track(TrackedImage(ALPINE, frozenset({"edge"})))
    with pytest.raises(NotTracked, match=r"^alpine is listed in data/images\.txt: remove it there\.$"):
        tracked.untrack(ALPINE)
    assert tracked.get(ALPINE) == TrackedImage(ALPINE, frozenset({"edge"}))


def test_an_image_that_the_settings_name_cannot_be_untracked(tmp_path: Path) -> None:
    with pytest.raises(NotTracked, match=r"^alpine is listed in MICROBADGER_IMAGES: remove it there\.$"):
        tracked_in(tmp_path, "alpine").untrack(ALPINE)


def test_an_image_that_is_not_tracked_cannot_be_untracked(file: Path, tracked: TrackedImages) -> None:
    file.write_text("a/b\n")
    with pytest.raises(NotTracked, match=r"^alpine is not tracked\.$"):
        tracked.untrack(ALPINE)


@pytest.mark.parametrize("content", ["# mañana\n\nalpine  # why\nno name\n".encode() + b"# caf\xe9", b"", None])
def test_the_file_is_never_written(file: Path, tracked: TrackedImages, content: bytes | None) -> None:
    if content is not None:
        write(file, content)
    before = stamp_of(file)

    tracked.track(TrackedImage(TRIVY))
    tracked.put(TrackedImage(TRIVY, frozenset({"1"})))
    tracked.untrack(TRIVY)
    tracked.remember()
    names(tracked)

    assert stamp_of(file) == before


def test_threads_that_track_at_once_lose_no_image(tmp_path: Path, tracked: TrackedImages) -> None:
    wanted = [Repository.parse(f"a/{number}") for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda repository: tracked.track(TrackedImage(repository)), wanted))
    assert (all(added), {image.repository for image in tracked_in(tmp_path)}) == (True, set(wanted))


def test_processes_that_track_and_untrack_at_once_lose_nothing(tmp_path: Path, tracked: TrackedImages) -> None:
    owners = ["a", "b", "c", "d"]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), owner], cwd=ROOT) for owner in owners
    ]
    assert [process.wait() for process in processes] == [0] * 4

    kept = {f"{owner}/{number}" for owner in owners for number in range(0, 20, 2)}
    assert set(names(tracked)) == {"library/alpine", *kept}
    image = tracked.get(ALPINE)
    assert image is not None
    assert image.kept_tags == {f"{owner}-{number}" for owner in owners for number in range(20)}
