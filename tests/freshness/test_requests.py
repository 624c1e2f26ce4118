"""Requests for a check: none is lost, not even by a process that is killed, and equal ones are one."""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Connection, select

from microbadger.freshness.requests import CheckRequest, Requests
from microbadger.freshness.stored_images import TrackedImage, store
from microbadger.image.reference import Reference, Repository
from microbadger.logs.events import current_id, work
from microbadger.site.folder import PublicFolder
from microbadger.store.database import Database
from microbadger.store.tables import ASKED_TAGS, REQUESTS
from tests.databases import database_url
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.bench import Bench
from tests.freshness.clock import DAY, HOUR, MINUTE, SECOND, Clock

ALPINE, NGINX = Repository.parse("alpine"), Repository.parse("nginx")
TRIVY = Repository.parse("ghcr.io/aquasecurity/trivy")

ROOT = Path(__file__).parents[2]
PROCESS = """
import sys
from tests.freshness.test_requests import ALPINE, World, ask

world = World(sys.argv[1])
for text in sys.argv[2:]:
    ask(world, text)
requests = world.begin(ALPINE)
print(len(requests), flush=True)
sys.stdin.read()
"""


class RecordingDatabase(Database):
    """A database that remembers which transactions were durable."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.durable: list[bool] = []

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        self.durable.append(durable)
        with super().write(durable=durable) as connection:
            yield connection


class World:
    """The requests in a folder, as one process has them, and a clock that a test moves."""

    def __init__(self, folder: Path | str) -> None:
        self.clock = Clock()
        self.database = RecordingDatabase(database_url(Path(folder)))
        self.requests = Requests(self.database, now=self.clock)

    def begin(self, repository: Repository) -> list[CheckRequest]:
        """Return what a check that begins now is asked for."""
        with self.database.read() as connection:
            return self.requests.waiting(connection, repository)

    def end(self, repository: Repository, begun: list[CheckRequest]) -> None:
        with self.database.write() as connection:
            self.requests.end(connection, repository, begun)

    def tags(self, repository: Repository) -> set[str | None]:
        return {request.tag for request in self.begin(repository)}

    def forget(self, repository: Repository) -> None:
        with self.database.write() as connection:
            self.requests.forget(connection, repository)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def ask(world: World, text: str) -> None:
    world.requests.add(Reference.parse(text))


@pytest.mark.parametrize("tag", [None, "3.20", "_", "1.2.3-rc.1", "t" * 128])
def test_a_request_waits(world: World, tag: str | None) -> None:
    world.requests.add(Reference(ALPINE, tag, None))
    assert world.begin(ALPINE) == [CheckRequest(tag, asked=1, asked_by="")]


def test_nothing_waits_where_nothing_was_asked_for(world: World) -> None:
    assert (world.begin(ALPINE), world.requests.repositories()) == ([], [])


def test_a_request_is_for_one_image(world: World) -> None:
    ask(world, "alpine")
    assert world.begin(TRIVY) == []


def test_a_request_is_durable(world: World) -> None:
    ask(world, "alpine")
    assert world.database.durable == [True]


def test_equal_requests_are_one_that_counts_them(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(world, "alpine:edge"), range(200)))
    assert world.begin(ALPINE) == [CheckRequest("edge", asked=200, asked_by="")]


def test_equal_requests_of_several_processes_are_one(world: World, tmp_path: Path) -> None:
    processes = [start(tmp_path, *["alpine:edge"] * 25) for _ in range(4)]
    for process in processes:
        wait_until_begun(process)
        end_of(process)
    assert world.begin(ALPINE) == [CheckRequest("edge", asked=100, asked_by="")]


def test_a_check_knows_which_tags_were_asked_for(world: World) -> None:
    for text in ("alpine", "alpine:3.20.1", "alpine:Edge_x", "ghcr.io/aquasecurity/trivy:1"):
        ask(world, text)
    assert world.tags(ALPINE) == {None, "3.20.1", "Edge_x"}


def test_a_request_waits_until_a_check_has_ended(world: World) -> None:
    ask(world, "alpine")
    begun = world.begin(ALPINE)
    assert world.requests.repositories() == [ALPINE]
    world.end(ALPINE, begun)
    assert (world.begin(ALPINE), world.requests.repositories()) == ([], [])


def test_a_check_can_end_without_a_request(world: World) -> None:
    world.end(ALPINE, [])
    assert world.begin(ALPINE) == []


@pytest.mark.parametrize("text", ["alpine", "alpine:edge"])
def test_a_request_that_was_repeated_during_a_check_waits_for_the_next(world: World, text: str) -> None:
    ask(world, text)
    begun = world.begin(ALPINE)
    ask(world, text)
    world.end(ALPINE, begun)
    assert world.tags(ALPINE) == {Reference.parse(text).tag}


def test_a_request_that_was_repeated_during_a_check_leads_to_one_more(world: World) -> None:
    ask(world, "alpine:edge")
    begun = world.begin(ALPINE)
    for _ in range(10):
        ask(world, "alpine:edge")
    world.end(ALPINE, begun)
    world.end(ALPINE, world.begin(ALPINE))
    assert world.begin(ALPINE) == []


def test_a_request_for_another_tag_during_a_check_waits_for_the_next(world: World) -> None:
    ask(world, "alpine:edge")
    begun = world.begin(ALPINE)
    ask(world, "alpine:3.20")
    world.end(ALPINE, begun)
    assert world.tags(ALPINE) == {"3.20"}


def test_the_end_of_a_check_leaves_other_images_alone(world: World) -> None:
    ask(world, "alpine")
    ask(world, "ghcr.io/aquasecurity/trivy")
    world.end(ALPINE, world.begin(ALPINE))
    assert world.requests.repositories() == [TRIVY]


def test_images_are_listed_once_and_those_first_that_have_waited_longest(world: World) -> None:
    for text in ("nginx:1", "alpine:1", "ghcr.io/aquasecurity/trivy", "alpine:2", "nginx:1"):
        world.clock.now += MINUTE
        ask(world, text)
    assert world.requests.repositories() == [NGINX, ALPINE, TRIVY]


def test_a_request_that_is_repeated_keeps_its_place(world: World) -> None:
    for text in ("nginx", "alpine", "nginx"):
        world.clock.now += MINUTE
        ask(world, text)
    assert world.requests.repositories() == [NGINX, ALPINE]


def test_a_request_outlives_the_process_that_took_it(world: World, tmp_path: Path) -> None:
    process = start(tmp_path, "alpine:edge")
    wait_until_begun(process)
    process.kill()
    end_of(process)
    assert world.tags(ALPINE) == {"edge"}


def test_a_check_that_was_killed_is_begun_again_with_what_was_asked_for_since(world: World, tmp_path: Path) -> None:
    process = start(tmp_path, "alpine:1")
    wait_until_begun(process)
    process.kill()
    end_of(process)
    ask(world, "alpine:2")
    assert (world.requests.repositories(), world.tags(ALPINE)) == ([ALPINE], {"1", "2"})


def test_many_tags_of_one_image_become_a_request_for_the_whole_image(world: World) -> None:
    for number in range(200):
        ask(world, f"alpine:{number}")
    asked = {request.tag: request.asked for request in world.begin(ALPINE)}
    assert asked.pop(None) == 190
    assert asked == {f"{number}": 1 for number in range(10)}


def test_a_tag_that_waits_is_counted_however_many_others_do(world: World) -> None:
    for number in range(60):
        ask(world, f"alpine:{number}")
    ask(world, "alpine:7")
    assert CheckRequest("7", asked=2, asked_by="") in world.begin(ALPINE)


def test_many_tags_of_one_image_leave_room_for_those_of_another(world: World) -> None:
    for number in range(60):
        ask(world, f"alpine:{number}")
    ask(world, "nginx:1")
    assert world.tags(NGINX) == {"1"}


def test_a_request_names_the_http_request_that_asked_first(world: World) -> None:
    for request, text in (("one", "alpine:1"), ("two", "alpine:2"), ("three", "alpine:1")):
        with work(request=request):
            ask(world, text)
    assert {request.tag: request.asked_by for request in world.begin(ALPINE)} == {"1": "one", "2": "two"}


class IdsFolder(PublicFolder):
    """A folder that remembers which ids the lines of the check have that writes a file."""

    asked_by: str | None = None

    def write(self, path: str, content: bytes) -> bool:
        self.asked_by = current_id("asked_by")
        return super().write(path, content)


@pytest.mark.parametrize(("askers", "named"), [(1, "id0"), (5, "id0,id1,id2,id3,id4"), (6, "id0,id1,id2,id3,id4")])
def test_the_lines_of_a_check_name_five_of_those_who_asked_for_it(
    tmp_path: Path, fake: FakeRegistry, askers: int, named: str
) -> None:
    fake.push("team/web", "latest", image())
    publisher = IdsFolder(tmp_path / "public")
    bench = Bench(tmp_path, fake, publisher=publisher)
    for number in reversed(range(askers)):
        with work(request=f"id{number}"):
            bench.ask(f"tag{number}")

    bench.refresher.refresh_requested(bench.repository)

    assert publisher.asked_by == named


def test_what_was_asked_for_of_an_image_is_forgotten_with_it(world: World) -> None:
    ask(world, "alpine:1")
    world.requests.is_worth_a_check(ALPINE, "2")
    ask(world, "nginx")
    world.forget(ALPINE)
    with world.database.read() as connection:
        assert connection.execute(select(ASKED_TAGS)).all() == []
        assert connection.execute(select(REQUESTS.c.image)).scalars().all() == [str(NGINX)]


def follow_up(world: World, repository: Repository) -> None:
    """End a check that saw nothing of what it was asked for."""
    begun = world.begin(repository)
    with world.database.write() as connection:
        world.requests.end(connection, repository, begun)
        world.requests.follow_up(connection, repository, begun)


@pytest.mark.parametrize(("repository", "delays"), [(ALPINE, [30, 150]), (TRIVY, [1])])
def test_a_push_of_which_nothing_is_seen_is_followed_up(
    world: World, repository: Repository, delays: list[int]
) -> None:
    world.requests.add(Reference(repository, "1.0", None))
    for delay in delays:
        follow_up(world, repository)
        world.clock.now += timedelta(seconds=delay - 0.1)
        assert (world.tags(repository), world.requests.repositories()) == (set(), [])
        world.clock.now += timedelta(seconds=0.2)
        assert (world.tags(repository), world.requests.repositories()) == ({"1.0"}, [repository])

    follow_up(world, repository)

    world.clock.now += DAY
    assert world.tags(repository) == set()


def test_a_push_that_is_repeated_does_not_wait_for_its_follow_up(world: World) -> None:
    ask(world, "alpine:1")
    follow_up(world, ALPINE)
    ask(world, "alpine:1")
    assert [(request.tag, request.follow_ups) for request in world.begin(ALPINE)] == [("1", 0)]


def test_a_push_that_is_repeated_during_a_check_is_not_put_off(world: World) -> None:
    ask(world, "alpine:1")
    begun = world.begin(ALPINE)
    ask(world, "alpine:1")
    with world.database.write() as connection:
        world.requests.end(connection, ALPINE, begun)
        world.requests.follow_up(connection, ALPINE, begun)
    assert world.tags(ALPINE) == {"1"}


def test_a_follow_up_does_not_wait_for_a_clock_that_was_set_back(world: World) -> None:
    ask(world, "alpine:1")
    follow_up(world, ALPINE)
    world.clock.now -= DAY
    assert world.tags(ALPINE) == {"1"}


@pytest.mark.parametrize(
    ("asks", "is_view"), [([True], True), ([False], False), ([True, False], False), ([False, True], False)]
)
def test_who_views_a_badge_does_not_push(world: World, asks: list[bool], is_view: bool) -> None:
    for each in asks:
        world.requests.add(Reference(ALPINE, "1", None), is_view=each)
    assert [request.is_view for request in world.begin(ALPINE)] == [is_view]


class AnyOrderOfRequestsAndChecks(RuleBasedStateMachine):
    """Whatever the order, and whatever dies, a check knows each tag that was asked for since one last ended."""

    texts = st.sampled_from(["alpine", "alpine:1", "alpine:1.0", "ghcr.io/aquasecurity/trivy:1"])
    repositories = st.sampled_from([ALPINE, TRIVY])

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(self.folder.name)
        self.waiting: Counter[Reference] = Counter()
        self.begun: dict[Repository, list[CheckRequest]] = {}
        self.counted: dict[Repository, Counter[Reference]] = {}

    @rule(text=texts)
    def somebody_asks(self, text: str) -> None:
        ask(self.world, text)
        self.waiting[Reference.parse(text)] += 1

    @rule(repository=repositories)
    def a_check_begins(self, repository: Repository) -> None:
        self.begun[repository] = self.world.begin(repository)
        self.counted[repository] = Counter({r: n for r, n in self.waiting.items() if r.repository == repository})
        asked = {(request.tag, request.asked) for request in self.begun[repository]}
        assert asked == {(reference.tag, count) for reference, count in self.counted[repository].items()}

    @rule(repository=repositories)
    def a_check_ends(self, repository: Repository) -> None:
        self.world.end(repository, self.begun.pop(repository, []))
        for reference, count in self.counted.pop(repository, Counter()).items():
            if self.waiting[reference] == count:
                del self.waiting[reference]

    @rule()
    def a_process_dies(self) -> None:
        self.world.database.close()
        self.world = World(self.folder.name)
        self.begun, self.counted = {}, {}

    @invariant()
    def nothing_is_lost(self) -> None:
        expected = {reference.repository for reference in self.waiting}
        assert set(self.world.requests.repositories()) == expected

    def teardown(self) -> None:
        self.world.database.close()
        self.folder.cleanup()


TestAnyOrderOfRequestsAndChecks = AnyOrderOfRequestsAndChecks.TestCase
TestAnyOrderOfRequestsAndChecks.settings = settings(max_examples=30, stateful_step_count=20)


# Tags that a badge was asked for


def test_an_unknown_tag_is_worth_one_check_an_hour(world: World) -> None:
    answers = []
    for _ in range(5):
        answers.append(world.requests.is_worth_a_check(ALPINE, "3.20"))
        world.clock.now += 20 * MINUTE
    assert answers == [True, False, False, True, False]


def test_an_image_has_twenty_such_tags_at_most(world: World) -> None:
    answers = []
    for number in range(100):
        answers.append(world.requests.is_worth_a_check(ALPINE, f"{number}"))
        world.clock.now += timedelta(seconds=5)
    assert answers == [True] * 20 + [False] * 80
    assert world.requests.is_worth_a_check(NGINX, "1.0")


def test_all_images_of_a_registry_share_ten_such_tags_and_then_one_every_five_seconds(world: World) -> None:
    images = [Repository.parse(f"team/app{number}") for number in range(12)]
    answers: Counter[Repository] = Counter()
    for second in range(61):
        for image_of_many in images:
            answers[image_of_many] += world.requests.is_worth_a_check(image_of_many, f"{second}")
        world.clock.now += timedelta(seconds=1)
    assert answers.total() == 10 + 12
    assert world.requests.is_worth_a_check(TRIVY, "1")


def test_a_view_for_which_there_is_no_budget_counts_as_none(world: World) -> None:
    for number in range(10):
        world.requests.is_worth_a_check(ALPINE, f"{number}")
    assert not world.requests.is_worth_a_check(NGINX, "1.0")
    world.clock.now += timedelta(seconds=5)
    assert world.requests.is_worth_a_check(NGINX, "1.0")


def test_other_tags_are_worth_a_check_when_the_hour_is_over(world: World) -> None:
    for number in range(20):
        world.requests.is_worth_a_check(ALPINE, f"{number}")
    world.clock.now += HOUR
    assert world.requests.is_worth_a_check(ALPINE, "20")


def test_all_processes_share_what_badges_were_asked_for(world: World, tmp_path: Path) -> None:
    world.requests.is_worth_a_check(ALPINE, "3.20")
    other = World(tmp_path)
    assert not other.requests.is_worth_a_check(ALPINE, "3.20")
    other.database.close()


def test_threads_that_ask_at_once_lead_to_one_check(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.requests.is_worth_a_check(ALPINE, "3.20"), range(50)))
    assert answers.count(True) == 1


def test_a_clock_that_was_ahead_blocks_nothing(world: World) -> None:
    world.clock.now += 1000 * DAY
    world.requests.is_worth_a_check(ALPINE, "3.20")
    world.clock.now -= 1000 * DAY
    assert world.requests.is_worth_a_check(ALPINE, "3.20")


def test_what_was_asked_for_an_hour_ago_takes_no_room(world: World) -> None:
    for number in range(30):
        world.requests.is_worth_a_check(ALPINE, f"{number}")
        world.clock.now += HOUR
    with world.database.read() as connection:
        assert len(connection.execute(select(ASKED_TAGS)).all()) == 1


def start(folder: Path, *texts: str) -> "subprocess.Popen[bytes]":
    """Start a process that asks for checks, begins one of Alpine and then waits for its end."""
    command = [sys.executable, "-c", PROCESS, str(folder), *texts]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_until_begun(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"


def end_of(process: "subprocess.Popen[bytes]") -> None:
    with process:
        if process.stdin:
            process.stdin.close()


def test_images_that_only_readers_asked_for_come_last(world: World) -> None:
    with world.database.write() as connection:
        store(connection, TrackedImage(ALPINE), requested_at=1.0)
    ask(world, "alpine")
    world.clock.now += SECOND
    ask(world, str(TRIVY))
    assert world.requests.repositories() == [TRIVY, ALPINE]
