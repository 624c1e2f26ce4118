"""Requests for a refresh: none is lost, not even by a process that is killed, and equal ones are one."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from microbadger.freshness.requests import RefreshRequests
from microbadger.image.reference import Reference, Repository
from microbadger.logs.events import current_id, work

ALPINE, TRIVY = Repository.parse("alpine"), Repository.parse("ghcr.io/aquasecurity/trivy")
BEGIN_AND_HANG = """
import sys
from pathlib import Path
from microbadger.image.reference import Repository
from microbadger.freshness.requests import RefreshRequests
RefreshRequests(Path(sys.argv[1])).begin(Repository.parse("alpine"))
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def requests(tmp_path: Path) -> RefreshRequests:
    return RefreshRequests(tmp_path)


def ask(requests: RefreshRequests, text: str) -> bool:
    return requests.add(Reference.parse(text))


def notes(requests: RefreshRequests) -> list[Path]:
    return [path for path in requests.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["alpine", "alpine:3.20", "alpine:_", "alpine:1.2.3-rc.1", f"alpine:{'t' * 128}"])
def test_a_request_waits(requests: RefreshRequests, text: str) -> None:
    assert ask(requests, text)
    assert requests.is_waiting(ALPINE)


def test_nothing_waits_where_nothing_was_asked(requests: RefreshRequests) -> None:
    assert (requests.is_waiting(ALPINE), list(requests.repositories())) == (False, [])


def test_a_request_is_for_one_image(requests: RefreshRequests) -> None:
    ask(requests, "alpine")
    assert not requests.is_waiting(TRIVY)


def test_a_storm_of_equal_requests_is_one_note(requests: RefreshRequests) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(requests, "alpine:edge"), range(200)))
    assert len(notes(requests)) == 1


def test_it_tells_that_an_equal_request_waits(requests: RefreshRequests) -> None:
    assert [ask(requests, "alpine:edge") for _ in range(2)] == [True, False]


def test_a_run_is_told_which_tags_were_asked_for(requests: RefreshRequests) -> None:
    for text in ("alpine", "alpine:3.20.1", "alpine:Edge_x", "ghcr.io/aquasecurity/trivy:1"):
        ask(requests, text)
    assert requests.begin(ALPINE) == {None, "3.20.1", "Edge_x"}


def test_a_request_that_was_begun_waits_no_longer(requests: RefreshRequests) -> None:
    ask(requests, "alpine")
    requests.begin(ALPINE)
    assert not requests.is_waiting(ALPINE)


def test_a_run_can_begin_and_end_without_a_request(requests: RefreshRequests) -> None:
    assert requests.begin(ALPINE) == set()
    requests.end(ALPINE)
    assert notes(requests) == []


def test_a_request_during_a_run_waits_for_the_next(requests: RefreshRequests) -> None:
    ask(requests, "alpine:edge")
    requests.begin(ALPINE)
    ask(requests, "alpine:edge")
    requests.end(ALPINE)
    assert (requests.is_waiting(ALPINE), requests.begin(ALPINE)) == (True, {"edge"})


def test_an_ended_run_leaves_nothing(requests: RefreshRequests) -> None:
    ask(requests, "alpine:edge")
    requests.begin(ALPINE)
    requests.end(ALPINE)
    assert notes(requests) == []


def test_the_end_of_a_run_leaves_other_images_alone(requests: RefreshRequests) -> None:
    for repository in (ALPINE, TRIVY):
        requests.add(Reference(repository, None, None))
        requests.begin(repository)
    requests.end(ALPINE)
    assert list(requests.repositories()) == [TRIVY]


def test_it_finds_what_waits_and_what_was_begun(requests: RefreshRequests) -> None:
    ask(requests, "alpine:1")
    ask(requests, "alpine:2")
    requests.begin(ALPINE)
    ask(requests, "alpine:3")
    ask(requests, "ghcr.io/aquasecurity/trivy")
    assert sorted(requests.repositories()) == [ALPINE, TRIVY]


def test_a_request_outlives_the_process_that_took_it(requests: RefreshRequests) -> None:
    ask(requests, "alpine:edge")
    assert RefreshRequests(requests.folder).begin(ALPINE) == {"edge"}


def test_a_killed_run_is_begun_again_with_what_was_asked_since(requests: RefreshRequests) -> None:
    ask(requests, "alpine:1")
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN_AND_HANG, requests.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.kill()
    ask(requests, "alpine:2")
    assert (list(requests.repositories()), requests.begin(ALPINE)) == ([ALPINE], {"1", "2"})


DAMAGE = ["mañana", "", "../etc", "A/b", "a/b:1", "null", "\0" * 40, "library/alpin"]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_note_about_no_tracked_image_is_removed_and_others_stay(
    requests: RefreshRequests, content: str
) -> None:
    ask(requests, "alpine")
    damaged = requests.folder / "pending" / ("0" * 32) / "-"
    damaged.parent.mkdir()
    damaged.write_text(content)
    assert list(requests.repositories()) == [ALPINE]
    assert not damaged.exists()


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_note_is_still_about_its_image_and_tag(tmp_path: Path, content: str) -> None:
    requests = RefreshRequests(tmp_path, tracked=lambda: [TRIVY, ALPINE])
    ask(requests, "alpine:1")
    for note in notes(requests):
        note.write_text(content)

    assert list(requests.repositories()) == [ALPINE]
    assert requests.begin(ALPINE) == {"1"}
    assert list(requests.repositories()) == [ALPINE]  # also after a crash in the middle
    requests.end(ALPINE)
    assert list(requests.repositories()) == []


def test_a_note_that_is_being_written_is_passed_over(requests: RefreshRequests) -> None:
    ask(requests, "alpine")
    (requests.folder / "pending" / ("0" * 32)).mkdir()
    (requests.folder / "pending" / ("0" * 32) / ".new-abc").write_text("a/b")
    assert list(requests.repositories()) == [ALPINE]


class AnyOrderOfRequestsAndRuns(RuleBasedStateMachine):
    """Whatever the order, and whoever dies, a run is told every tag that was asked for since one last ended."""

    texts = st.sampled_from(["alpine", "alpine:1", "alpine:1.0", "ghcr.io/aquasecurity/trivy:1"])
    repositories = st.sampled_from([ALPINE, TRIVY])

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.requests = RefreshRequests(Path(self.folder.name))
        self.waiting: set[Reference] = set()
        self.begun: set[Reference] = set()

    @rule(text=texts)
    def somebody_asks(self, text: str) -> None:
        reference = Reference.parse(text)
        assert self.requests.add(reference) is (reference not in self.waiting)
        self.waiting.add(reference)

    @rule(repository=repositories)
    def a_run_begins(self, repository: Repository) -> None:
        moved = {reference for reference in self.waiting if reference.repository == repository}
        self.waiting -= moved
        self.begun |= moved
        asked = {reference.tag for reference in self.begun if reference.repository == repository}
        assert self.requests.begin(repository) == asked

    @rule(repository=repositories)
    def a_run_ends(self, repository: Repository) -> None:
        self.requests.end(repository)
        self.begun = {reference for reference in self.begun if reference.repository != repository}

    @rule()
    def a_process_dies(self) -> None:
        self.requests = RefreshRequests(Path(self.folder.name))

    @invariant()
    def nothing_is_lost(self) -> None:
        assert set(self.requests.repositories()) == {note.repository for note in self.waiting | self.begun}

    @invariant()
    def what_waits_is_known(self) -> None:
        waiting = {repository for repository in (ALPINE, TRIVY) if self.requests.is_waiting(repository)}
        assert waiting == {reference.repository for reference in self.waiting}

    def teardown(self) -> None:
        self.folder.cleanup()


TestAnyOrderOfRequestsAndRuns = AnyOrderOfRequestsAndRuns.TestCase
TestAnyOrderOfRequestsAndRuns.settings = settings(max_examples=30, stateful_step_count=20)


def test_many_tags_of_one_image_become_a_look_at_the_whole(requests: RefreshRequests) -> None:
    for number in range(200):
        ask(requests, f"alpine:{number}")
    assert len(notes(requests)) == 51
    begun = requests.begin(ALPINE)
    assert (len(begun), None in begun) == (51, True)


def test_the_log_of_a_run_names_the_http_requests_that_asked_for_it(requests: RefreshRequests) -> None:
    for request, text in (("two", "alpine:2"), ("one", "alpine:1"), ("none", "ghcr.io/aquasecurity/trivy")):
        with work(request=request):
            ask(requests, text)

    with work(refresh="three"):
        assert requests.begin(ALPINE) == {"1", "2"}
        assert current_id("asked_by") == "one,two"
    assert set(requests.repositories()) == {ALPINE, TRIVY}


@pytest.mark.parametrize("damage", [b"alpine\nma\xc3\xb1ana", b"alpine\na b\n\xff", b"\n", b""])
def test_a_note_that_was_damaged_names_nobody(requests: RefreshRequests, damage: bytes) -> None:
    ask(requests, "alpine")
    notes(requests)[0].write_bytes(damage)

    with work(refresh="three"):
        assert requests.begin(ALPINE) == {None}
        assert current_id("asked_by") is None
