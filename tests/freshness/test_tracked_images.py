"""Which images are tracked: good and bad lines, an edited file, and many hands at once."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microbadger.freshness.tracked_images import NotTracked, TrackedImage, TrackedImages, parse_line
from microbadger.image.reference import InvalidReference, Repository

ALPINE, TRIVY = Repository.parse("alpine"), Repository.parse("ghcr.io/aquasecurity/trivy")
DIGEST = f"sha256:{'a' * 64}"

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
    "a/b Private",
    "private a/b private",
    "a/b:",
    "-a/b",
    "a\x00b",
    "https://hub.docker.com/r/a/b",
    f"a/b@{DIGEST}",
    f"a/b:1@{DIGEST}",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "images.txt"


def names(images: TrackedImages) -> list[str]:
    return [image.repository.familiar for image in images]


@pytest.mark.parametrize(("line", "name", "tags", "private"), GOOD_LINES)
def test_it_reads_a_line(line: str, name: str, tags: set[str], private: bool) -> None:
    assert parse_line(line) == TrackedImage(Repository.parse(name), frozenset(tags), private)


@pytest.mark.parametrize("line", ["# mañana", "", "   ", "#", "  # alpine"])
def test_a_line_without_a_name_tracks_nothing(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("line", BAD_LINES)
def test_it_refuses_a_line_that_names_no_image(line: str) -> None:
    with pytest.raises(InvalidReference):
        parse_line(line)


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_reported_and_leaves_the_others_alone(file: Path, line: str) -> None:
    file.write_text(f"alpine\n{line}\nghcr.io/aquasecurity/trivy\n")
    images = TrackedImages(file)
    assert names(images) == ["library/alpine", "ghcr.io/aquasecurity/trivy"]
    assert [problem[:26] for problem in images.problems] == ["images.txt line 2 is left "]


def test_a_password_in_a_bad_line_is_not_reported(file: Path) -> None:
    file.write_text("https://robot:pässword@registry.example.org/team/app?signature=51gn\n")
    (problem,) = TrackedImages(file).problems
    assert "'https://[hidden]@registry.example.org/team/app?[hidden]'" in problem


def test_a_bad_name_in_the_settings_is_reported(file: Path) -> None:
    images = TrackedImages(file, "alpine A/b")
    assert [problem.partition(" is left out: ")[0] for problem in images.problems] == ["MICROBADGER_IMAGES"]


def test_images_are_listed_as_the_file_lists_them(file: Path) -> None:
    file.write_text("ghcr.io/aquasecurity/trivy\nalpine\na/b\n")
    assert names(TrackedImages(file)) == ["ghcr.io/aquasecurity/trivy", "library/alpine", "a/b"]


def test_an_image_on_several_lines_is_one_with_all_that_they_say(file: Path) -> None:
    file.write_text("alpine:3.20\ndocker.io/library/alpine:edge private\nalpine\n")
    assert list(TrackedImages(file)) == [TrackedImage(ALPINE, frozenset({"3.20", "edge"}), private=True)]


def test_there_are_as_many_as_there_are_names(file: Path) -> None:
    file.write_text("alpine\nalpine:3.20\na/b\n")
    assert len(TrackedImages(file)) == 2


def test_no_file_is_no_image(file: Path) -> None:
    assert (names(TrackedImages(file)), TrackedImages(file).problems) == ([], ())


def test_a_folder_in_the_place_of_the_file_is_no_image(file: Path) -> None:
    file.mkdir()
    assert names(TrackedImages(file)) == []


@pytest.mark.parametrize("named", ["alpine,a/b", "alpine a/b", " alpine ,\n a/b, ", "alpine,alpine\ta/b"])
def test_the_settings_name_images_between_spaces_or_commas(file: Path, named: str) -> None:
    assert names(TrackedImages(file, named)) == ["library/alpine", "a/b"]


def test_the_settings_can_name_a_tag_to_keep(file: Path) -> None:
    file.write_text("alpine:3.20\n")
    assert list(TrackedImages(file, "alpine:edge")) == [TrackedImage(ALPINE, frozenset({"3.20", "edge"}))]


def test_an_edited_file_is_seen(file: Path) -> None:
    images = TrackedImages(file)
    file.write_text("alpine\n")
    before = names(images)
    file.write_text("alpine\na/b\n")
    assert (before, names(images)) == (["library/alpine"], ["library/alpine", "a/b"])


def test_an_edit_that_keeps_the_size_is_seen(file: Path) -> None:
    file.write_text("a/b\n")
    images = TrackedImages(file)
    before = names(images)
    file.write_text("c/d\n")
    os.utime(file, ns=(1, 1))
    assert (before, names(images)) == (["a/b"], ["c/d"])


def test_a_removed_file_is_seen(file: Path) -> None:
    file.write_text("alpine\n")
    images = TrackedImages(file)
    before = names(images)
    file.unlink()
    assert (before, names(images)) == (["library/alpine"], [])


def test_a_tracked_image_is_found(file: Path) -> None:
    file.write_text("ghcr.io/aquasecurity/trivy:0.50 private\n")
    assert TrackedImages(file).get(TRIVY) == TrackedImage(TRIVY, frozenset({"0.50"}), private=True)


def test_an_image_that_is_not_tracked_is_not_found(file: Path) -> None:
    file.write_text("alpine\n")
    assert TrackedImages(file).get(TRIVY) is None


def test_a_tracked_image_is_tracked_by_everyone(file: Path) -> None:
    image = TrackedImage(TRIVY, frozenset({"0.50"}), private=True)
    assert TrackedImages(file).track(image)
    assert list(TrackedImages(file)) == [image]


def test_tracking_keeps_what_the_file_says(file: Path) -> None:
    file.write_bytes("# mañana\n\nalpine  # why\nno name\n".encode() + b"# caf\xe9")
    TrackedImages(file).track(TrackedImage(TRIVY))
    assert file.read_bytes() == (
        "# mañana\n\nalpine  # why\nno name\n".encode() + b"# caf\xe9\nghcr.io/aquasecurity/trivy\n"
    )


@pytest.mark.parametrize(
    ("image", "changed"),
    [
        (TrackedImage(ALPINE), False),
        (TrackedImage(ALPINE, frozenset({"3.20"})), False),
        (TrackedImage(ALPINE, frozenset({"edge"})), True),
        (TrackedImage(ALPINE, private=True), True),
        (TrackedImage(TRIVY), True),
    ],
)
def test_it_tells_whether_tracking_changed_something(file: Path, image: TrackedImage, changed: bool) -> None:
    file.write_text("alpine:3.20\n")
    assert TrackedImages(file).track(image) is changed


def test_an_untracked_image_is_gone_with_all_its_lines(file: Path) -> None:
    file.write_text("# mañana\nalpine\na/b\ndocker.io/alpine:3.20 private\nno name\n")
    TrackedImages(file).untrack(ALPINE)
    assert file.read_text() == "# mañana\na/b\nno name\n"


def test_an_image_that_the_settings_name_cannot_be_untracked(file: Path) -> None:
    with pytest.raises(NotTracked, match=r"^library/alpine is named in MICROBADGER_IMAGES: take it out there\.$"):
        TrackedImages(file, "alpine").untrack(ALPINE)


def emptied(file: Path) -> None:
    """Leave no byte in a file, long ago."""
    file.write_bytes(b"")
    os.utime(file, (0, 0))


def test_a_list_that_lost_all_it_held_is_told_and_still_tracked(file: Path) -> None:
    file.write_text("a/mañana\na/b:1 private\n", encoding="utf-8")
    tracked = TrackedImages(file)
    before = list(tracked)

    emptied(file)

    assert (list(tracked), tracked.is_settled()) == (before, False)
    assert "images.txt is empty" in tracked.problems[-1]


def test_a_list_that_lost_all_it_held_is_written_anew(file: Path) -> None:
    file.write_text("a/b:1 private\n")
    tracked = TrackedImages(file)
    assert len(tracked) == 1
    emptied(file)

    tracked.restore()

    assert file.read_text() == "a/b:1 private\n"
    assert tracked.problems == ()


def test_a_list_that_was_written_before_the_clock_was_set_back_is_settled(file: Path) -> None:
    file.write_text("a/b\n")
    os.utime(file, (4e9, 4e9))

    assert TrackedImages(file).is_settled()


def test_a_process_that_never_saw_the_list_takes_it_from_what_is_published(file: Path) -> None:
    emptied(file)
    tracked = TrackedImages(file, published=lambda: [ALPINE])

    assert (names(tracked), tracked.at_path("library/alpine")) == (["library/alpine"], [ALPINE])
    assert not tracked.is_settled()
    tracked.track(TrackedImage(Repository.parse("a/b")))

    assert names(TrackedImages(file)) == ["library/alpine", "a/b"]


def test_an_empty_list_of_a_service_that_published_nothing_is_one(file: Path) -> None:
    emptied(file)
    tracked = TrackedImages(file)
    assert (names(tracked), tracked.is_settled(), tracked.problems) == ([], True, ())


@pytest.mark.parametrize("content", ["# ma\u00f1ana\n", "\n", "a/b\n"])
def test_a_list_that_holds_anything_is_left_as_it_is(file: Path, content: str) -> None:
    file.write_text(content)
    os.utime(file, (0, 0))
    tracked = TrackedImages(file, published=lambda: [ALPINE])

    tracked.restore()

    assert (file.read_text(), tracked.is_settled()) == (content, True)


def test_a_list_that_is_being_written_is_left_alone(file: Path) -> None:
    file.write_bytes(b"")
    TrackedImages(file, published=lambda: [ALPINE]).restore()
    assert file.read_bytes() == b""


def test_where_the_settings_name_the_images_an_empty_list_is_one(file: Path) -> None:
    emptied(file)
    tracked = TrackedImages(file, "alpine", published=lambda: [Repository.parse("a/b")])

    tracked.restore()

    assert (names(tracked), tracked.is_settled(), tracked.problems) == (["library/alpine"], True, ())


def test_a_change_to_a_list_that_lost_all_it_held_brings_back_the_rest(file: Path) -> None:
    file.write_text("a/b\n")
    tracked = TrackedImages(file)
    assert len(tracked) == 1
    emptied(file)

    tracked.track(TrackedImage(ALPINE))

    assert names(TrackedImages(file)) == ["a/b", "library/alpine"]


def test_who_untracks_the_last_image_tracks_none(file: Path) -> None:
    file.write_text("alpine\n")
    TrackedImages(file).untrack(ALPINE)
    os.utime(file, (0, 0))

    tracked = TrackedImages(file)

    assert (names(tracked), tracked.is_settled(), tracked.problems) == ([], True, ())


def test_an_image_that_is_not_tracked_cannot_be_untracked(file: Path) -> None:
    file.write_text("a/b\n")
    with pytest.raises(NotTracked, match=r"^library/alpine is not tracked\.$"):
        TrackedImages(file).untrack(ALPINE)


def test_anyone_can_read_the_file(file: Path) -> None:
    TrackedImages(file).track(TrackedImage(ALPINE))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_many_hands_lose_no_image(file: Path) -> None:
    wanted = [Repository.parse(f"a/{number}") for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda repository: TrackedImages(file).track(TrackedImage(repository)), wanted))
    assert (all(added), {image.repository for image in TrackedImages(file)}) == (True, set(wanted))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_whatever_the_file_holds_the_settings_still_count(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert "library/alpine" in names(TrackedImages(file, "alpine"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_what_is_wrong_can_be_shown_anywhere(file: Path, line: str) -> None:
    file.write_bytes(line.encode() + b"\xff")
    assert all(problem.encode("utf-8").decode().isprintable() for problem in TrackedImages(file).problems)
