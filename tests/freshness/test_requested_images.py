"""Checks of images that only readers asked for: what they cost, what is shown of them, and what strangers try."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.wrappers import Request, Response

from microbadger.freshness.admissions import ABSENT, TRACKED, OpenOptions
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import parse_line
from microbadger.image.reference import Reference, Repository
from microbadger.registry.credentials import Credential
from microbadger.store.database import Database
from microbadger.store.tables import SCHEMA
from tests.fakes.allowance import Allowance
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeRegistry, image, index
from tests.freshness.bench import Bench
from tests.freshness.clock import DAY, HOUR

HERE = "192.0.2.0/24"
ALICE = Credential("alice", "a secret")


class OpenBench(Bench):
    """A process that reads images of a fake registry, which stands for Docker Hub, too, when they are asked for."""

    def __init__(self, folder: Path, fake: FakeRegistry, *, listed: str = "", **options: Any) -> None:
        registries = frozenset([fake.host, "docker.io"])
        super().__init__(folder, fake, **{"named": listed, "open": OpenOptions(registries=registries), **options})

    def named(self, path: str) -> Repository:
        return Repository(self.fake.host, path)

    def view(self, repository: Repository) -> Any:
        """Ask for an image, and check it if it is tracked; return what is then said of it."""
        if self.freshness.admissions.ask_for(repository, HERE) == TRACKED:
            self.refresher.refresh_if_due(repository)
        return self.freshness.admissions.ask_for(repository, HERE)

    def reason(self, path: str) -> str | None:
        return self.freshness.checks.get(self.named(path)).reason

    def is_read(self, path: str) -> bool:
        return self.freshness.published(self.named(path)) is not None


@pytest.fixture
def open_bench(tmp_path: Path, fake: FakeRegistry) -> OpenBench:
    return OpenBench(tmp_path, fake)


def rows_of(database: Database) -> dict[str, int]:
    """Return how many rows each table has that has any."""
    with database.read() as connection:
        counts = {name: len(connection.execute(select(table)).all()) for name, table in SCHEMA.tables.items()}
    return {name: count for name, count in counts.items() if count}


def paths_asked(fake: FakeRegistry) -> list[str]:
    return [f"{request.method} {request.path}" for request in fake.requests]


def test_an_image_that_a_reader_asks_for_is_read(open_bench: OpenBench, fake: FakeRegistry) -> None:
    fake.push("team/new", "latest", image())
    assert (open_bench.view(open_bench.named("team/new")), open_bench.is_read("team/new")) == (TRACKED, True)


# A name that the registry does not have.


def test_an_absent_name_costs_one_request_however_often_it_is_asked_for(
    open_bench: OpenBench, fake: FakeRegistry
) -> None:
    answers = {open_bench.view(open_bench.named("team/none")) for _ in range(5)}
    assert (answers, paths_asked(fake)) == ({ABSENT}, ["GET /v2/team/none/tags/list"])


def test_at_a_registry_that_asks_to_log_in_it_costs_that_besides(open_bench: OpenBench, fake: FakeRegistry) -> None:
    fake.login = "token"
    open_bench.view(open_bench.named("team/none"))
    asked = "GET /v2/team/none/tags/list"
    assert paths_asked(fake) == [asked, "GET /token", asked]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_so_it_does_where_access_is_denied(open_bench: OpenBench, fake: FakeRegistry, status: int) -> None:
    fake.always("/v2/team/", lambda _: Response(status=status))
    answer = open_bench.view(open_bench.named("team/none"))
    tags = [path for path in paths_asked(fake) if "/team/" in path]
    assert (answer, tags) == (ABSENT, ["GET /v2/team/none/tags/list"])


def test_at_docker_hub_it_costs_one_request_of_the_web_api(tmp_path: Path, fake: FakeRegistry) -> None:
    with FakeHub() as hub:
        bench = OpenBench(tmp_path, fake, hub_url=hub.url)
        answer = bench.view(Repository.parse("team/none"))
        assert (answer, len(hub.requests), fake.requests) == (ABSENT, 1, [])


def test_where_the_web_api_is_down_the_registry_is_asked(tmp_path: Path, fake: FakeRegistry) -> None:
    with FakeHub() as hub:
        hub.is_down = True
        bench = OpenBench(tmp_path, fake, hub_url=hub.url)
        fake.push("team/new", "latest", image())
        assert bench.view(Repository.parse("team/new")) == TRACKED
        assert bench.freshness.published(Repository.parse("team/new"))


def test_a_registry_that_lists_no_tag_of_an_unknown_name_is_asked_for_one(
    open_bench: OpenBench, fake: FakeRegistry
) -> None:
    fake.always("/tags/list", lambda request: Response(f'{{"name": "{request.path[4:-10]}", "tags": []}}'))
    assert open_bench.view(open_bench.named("team/none")) == ABSENT
    assert len(fake.requests) <= 3


def test_an_absent_name_leaves_a_name_and_a_time(open_bench: OpenBench) -> None:
    before = rows_of(open_bench.database)
    open_bench.view(open_bench.named("team/none"))
    added = rows_of(open_bench.database).items() - before.items()
    assert dict(added).keys() <= {"admissions", "client_networks", "leases", "meta", "counts"}


def test_after_three_days_it_leaves_nothing(open_bench: OpenBench) -> None:
    open_bench.view(open_bench.named("team/none"))
    for number in range(5):
        open_bench.view(open_bench.named(f"team/none{number}"))
    open_bench.time += 3 * DAY
    open_bench.freshness.upkeep.cleaning.clean()
    with open_bench.database.read() as connection:
        kept = [str(connection.execute(select(table)).all()) for table in SCHEMA.tables.values()]
    assert not [rows for rows in kept if "team/none" in rows]


def test_absence_is_forgotten_after_a_day(open_bench: OpenBench, fake: FakeRegistry) -> None:
    open_bench.view(open_bench.named("team/new"))
    fake.push("team/new", "latest", image())
    open_bench.time += 25 * HOUR
    assert (open_bench.view(open_bench.named("team/new")), open_bench.is_read("team/new")) == (TRACKED, True)


def test_an_image_that_the_operator_tracks_during_its_first_check_stays(
    open_bench: OpenBench, fake: FakeRegistry
) -> None:
    repository = open_bench.named("team/none")

    def track(_: Request) -> None:
        open_bench.freshness.track(TrackedImage(repository))

    fake.always("/tags/", track)
    assert open_bench.view(repository) == TRACKED
    assert open_bench.reason("team/none") == "not_found"


# Trouble that may pass.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(status=503), "unreachable"),
        (Response(status=429, headers={"Retry-After": "5"}), "rate_limited"),
        (Response("<html>Welcome</html>", content_type="text/html"), "bad_answer"),
        (Response(b""), "bad_answer"),
        (Response('{"errors": []}'), "bad_answer"),
        (Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}), "bad_answer"),
    ],
)
def test_an_image_that_could_not_be_read_stays_pending(
    open_bench: OpenBench, fake: FakeRegistry, answer: Response, reason: str
) -> None:
    fake.always("/v2/", lambda _: answer)
    assert open_bench.view(open_bench.named("team/new")) == TRACKED
    assert open_bench.reason("team/new") == reason
    assert len(fake.requests) <= 12


def test_it_is_read_at_its_next_check(open_bench: OpenBench, fake: FakeRegistry) -> None:
    fake.push("team/new", "latest", image())
    fake.then("/v2/", *[Response(status=503)] * 3)
    fake.always("/v2/", lambda _: Response(status=503) if not open_bench.time.minute else None)
    open_bench.view(open_bench.named("team/new"))
    open_bench.time += 2 * (HOUR / 60)
    open_bench.view(open_bench.named("team/new"))
    assert open_bench.is_read("team/new")


def test_the_name_of_an_image_that_was_never_read_stands_nowhere(open_bench: OpenBench, fake: FakeRegistry) -> None:
    fake.push("team/read", "latest", image())
    open_bench.view(open_bench.named("team/read"))
    fake.always("/v2/", lambda _: Response(status=503))
    open_bench.view(open_bench.named("team/secret-of-a-stranger"))
    open_bench.freshness.catalogue.publish()
    catalogue, summary = open_bench.freshness.catalogue, open_bench.freshness.checks.summary()
    shown = [
        b"".join(open_bench.files().values()).decode("utf-8", "replace"),
        str(catalogue.search("secret", 10)),
        str(catalogue.names("recent", 1, 100)),
        str(catalogue.page(1, 100)),
        str([summary.failing, summary.noted]),
    ]
    assert "team/read" in shown[0]
    assert [text for text in shown if "secret-of-a-stranger" in text] == []


# The pulls that a registry allows.


def with_tags(fake: FakeRegistry, path: str, count: int) -> None:
    for number in range(count):
        fake.push(path, f"1.{number}", image(labels={"of": path, "n": str(number)}))


def test_half_of_the_pulls_are_kept_for_images_that_the_operator_tracks(tmp_path: Path, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 100)
    bench = OpenBench(tmp_path, fake, listed=f"{fake.host}/team/mine")
    for number in range(7):
        with_tags(fake, f"strange/web{number}", 9)
        bench.view(bench.named(f"strange/web{number}"))
    used = allowance.used
    with_tags(fake, "team/mine", 30)
    bench.refresher.refresh(bench.named("team/mine"))
    assert 40 < used <= 50
    assert (allowance.used, allowance.refused) == (used + 30, 0)


def test_checks_at_the_same_time_use_no_more(tmp_path: Path, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 40)
    bench = OpenBench(tmp_path, fake)
    for number in range(8):
        with_tags(fake, f"strange/web{number}", 5)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: bench.view(bench.named(f"strange/web{number}")), range(8)))
    assert 10 < allowance.used <= 20


def test_what_is_asked_for_again_and_again_uses_no_more(tmp_path: Path, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 40)
    bench = OpenBench(tmp_path, fake)
    for number in range(5):
        with_tags(fake, f"strange/web{number}", 9)
        bench.view(bench.named(f"strange/web{number}"))
    for _ in range(3):
        bench.time += HOUR
        for number in range(5):
            bench.freshness.requests.add(Reference(bench.named(f"strange/web{number}"), "1.8", None), is_view=True)
            bench.refresher.refresh_if_due(bench.named(f"strange/web{number}"))
    assert 10 < allowance.used <= 20


def test_one_image_with_many_tags_does_not_use_them_up(tmp_path: Path, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 200)
    bench = OpenBench(tmp_path, fake)
    with_tags(fake, "strange/web", 90)
    bench.view(bench.named("strange/web"))
    first = allowance.used
    bench.time += 2 * HOUR
    bench.view(bench.named("strange/web"))
    assert (first <= 21, allowance.used) == (True, first + 20)


def test_the_pulls_for_their_bases_count_as_well(tmp_path: Path, fake: FakeRegistry) -> None:
    allowance = Allowance(fake, 20)
    bench = OpenBench(tmp_path, fake)
    for number in range(6):
        path = f"strange/base{number}"
        fake.push(path, "1", index(image(labels={"base": str(number)}), image(architecture="arm64")))
        base = {"org.opencontainers.image.base.name": f"{fake.host}/{path}:1"}
        fake.push(f"strange/web{number}", "latest", image(labels=base))
        bench.view(bench.named(f"strange/web{number}"))
    assert 0 < allowance.used <= 10


# What strangers try.


def test_an_image_that_only_the_operators_account_may_read_is_absent(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.login, fake.users, fake.private = "token", {"alice": "a secret"}, {"team/private"}
    fake.push("team/private", "latest", image(labels={"secret": "x"}))
    bench = OpenBench(tmp_path, fake, credentials=lambda _: ALICE)
    assert (bench.view(bench.named("team/private")), bench.is_read("team/private")) == (ABSENT, False)


def test_nothing_of_it_is_shown_when_it_becomes_private_later(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.login, fake.users = "token", {"alice": "a secret"}
    fake.push("team/web", "latest", image(labels={"version": "1"}))
    bench = OpenBench(tmp_path, fake, credentials=lambda _: ALICE)
    bench.view(bench.named("team/web"))
    fake.private.add("team/web")
    fake.push("team/web", "latest", image(labels={"version": "the next"}))
    bench.time += 25 * HOUR
    bench.view(bench.named("team/web"))
    assert b"the next" not in b"".join(bench.files().values())


def test_the_base_that_an_image_names_is_not_asked_for_inside_the_network(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    with FakeRegistry() as inside:
        inside.push("team/inside", "1", image(labels={"secret": "x"}))
        inside.push("team/mine", "latest", image())
        base = {"org.opencontainers.image.base.name": f"{inside.host}/team/inside:1"}
        fake.push("strange/web", "latest", image(labels=base))
        bench = OpenBench(tmp_path, fake, listed=f"{inside.host}/team/mine")
        bench.view(bench.named("strange/web"))
        assert (bench.is_read("strange/web"), inside.requests) == (True, [])


@pytest.mark.parametrize("names", [["strange/web", "strange/web"], ["library/web", "web"]])
def test_two_spellings_of_a_name_are_one_image(tmp_path: Path, fake: FakeRegistry, names: list[str]) -> None:
    bench = OpenBench(tmp_path, fake)
    for name in names:
        bench.freshness.admissions.ask_for(Repository.parse(name), HERE)
    assert len([*bench.freshness.tracked]) == 1


def test_an_image_that_is_asked_for_while_it_is_dropped_is_there_in_the_end(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    options = OpenOptions(registries=frozenset([fake.host]), most_images=1)
    bench = OpenBench(tmp_path, fake, open=options)
    for path in ("strange/one", "strange/two"):
        fake.push(path, "latest", image())
    bench.view(bench.named("strange/one"))
    bench.time += 2 * HOUR
    bench.view(bench.named("strange/two"))
    bench.time += 2 * HOUR
    bench.view(bench.named("strange/one"))
    bench.freshness.upkeep.follow_tracked()
    made = bench.freshness.make(bench.paths.of(bench.named("strange/one")).metadata)
    assert (made is not None, bench.is_read("strange/two")) == (True, False)


def test_the_files_of_an_image_that_is_dropped_go(tmp_path: Path, fake: FakeRegistry) -> None:
    bench = OpenBench(tmp_path, fake)
    fake.push("strange/one", "latest", image())
    bench.view(bench.named("strange/one"))
    bench.freshness.upkeep.follow_tracked()
    assert any("strange/one" in path for path in bench.files())
    bench.time += 100 * DAY
    for task in bench.freshness.upkeep.tasks.values():
        task()
    assert [path for path in bench.files() if "strange/one" in path] == []


def test_an_image_that_is_listed_later_is_the_operators(tmp_path: Path, fake: FakeRegistry) -> None:
    bench = OpenBench(tmp_path, fake)
    fake.push("strange/one", "latest", image())
    bench.view(bench.named("strange/one"))
    bench.freshness.upkeep.follow_tracked()
    bench.list_images(f"{fake.host}/strange/one\n")
    bench.freshness.upkeep.follow_tracked()
    bench.time += 100 * DAY
    for task in bench.freshness.upkeep.tasks.values():
        task()
    assert bench.is_read("strange/one")
    assert parse_line(f"{fake.host}/strange/one") in list(bench.freshness.tracked)
