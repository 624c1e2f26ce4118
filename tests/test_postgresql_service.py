"""The service over PostgreSQL: it says when the database is away, goes on when it is back, and loses nothing."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import requests
from sqlalchemy import select

from microbadger.image import Repository
from microbadger.store import REQUESTS, Database
from microbadger.store.tables import SCHEMA
from microbadger.webhooks import image_token
from tests.postgresql import PostgresqlServer
from tests.running_service import RunningService

NAMES = [f"example/web{number}" for number in range(36)]
SENDERS = 6
TAGS = 8  # of an image; of more than ten that wait only the image is kept
SECRET = "a secret for tests"
PROMPT_SECONDS = 3.0


class WithoutSchedule(RunningService):
    """A service that takes webhooks and begins no check: what it has accepted can be counted."""

    application = "app:create_app()"


@dataclass
class Sender:
    """Posts webhooks for one tag after another, and remembers which were accepted, and how the others were answered."""

    service: RunningService
    accepted: set[tuple[str, str]] = field(default_factory=set)
    refused: list[requests.Response] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, name: str, tag: str) -> None:
        repository = Repository.parse(name)
        url = f"{self.service.url}/images/{name}/{image_token(SECRET, repository)}?tag={tag}"
        answer = requests.post(url, timeout=30)
        with self._lock:
            if answer.status_code == 200:
                self.accepted.add((str(repository), tag))
            else:
                self.refused.append(answer)

    def send_all(self, names: list[str]) -> None:
        for name in names:
            for number in range(TAGS):
                self.send(name, f"t{number}")


@pytest.fixture
def service(tmp_path: Path, own_postgresql_server: PostgresqlServer) -> Iterator[RunningService]:
    service = WithoutSchedule(tmp_path, NAMES)
    service.environment["DATABASE_URL"] = own_postgresql_server.url().replace("postgresql:", "postgres:")
    with service:
        yield service


def kept_by(server: PostgresqlServer) -> set[tuple[str, str]]:
    database = Database(server.url())
    with database.read() as connection:
        kept = {(row.image, row.tag) for row in connection.execute(select(REQUESTS))}
    database.close()
    return kept


def test_no_accepted_webhook_is_lost_when_postgresql_is_killed(
    service: RunningService, own_postgresql_server: PostgresqlServer
) -> None:
    sender = Sender(service)
    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(sender.send_all, NAMES[first::SENDERS]) for first in range(SENDERS)]
        service.wait(lambda: len(sender.accepted) > len(NAMES), "webhooks that were accepted")
        own_postgresql_server.kill()
        service.wait(lambda: len(sender.refused) > SENDERS, "webhooks that were refused")
        own_postgresql_server.start()
        for each in sending:
            each.result(60)
    sender.send(NAMES[0], "last")

    assert sender.accepted <= kept_by(own_postgresql_server)
    assert (str(Repository.parse(NAMES[0])), "last") in sender.accepted
    assert {answer.status_code for answer in sender.refused} == {503}
    assert all("Retry-After" in answer.headers for answer in sender.refused)


def test_monitors_see_that_the_database_is_away_and_that_it_is_back(
    service: RunningService, own_postgresql_server: PostgresqlServer
) -> None:
    paths = ("/healthz", "/metrics", "/healthcheck.txt")
    assert [service.get(path).status_code for path in paths] == [200, 200, 200]
    own_postgresql_server.kill()
    assert [service.get(path).status_code for path in paths] == [503, 503, 200]
    assert service.get("/healthz").json() == {
        "Error": "This cannot be done now: the database cannot be used.",
        "Problems": ["The database cannot be used: it cannot be reached."],
    }
    own_postgresql_server.start()
    assert [service.get(path).status_code for path in paths] == [200, 200, 200]


@contextmanager
def tables_locked(server: PostgresqlServer) -> Iterator[None]:
    with ExitStack() as stack:
        for table in SCHEMA.tables:  # each by a session of its own: one that waited itself could end in a deadlock
            stack.enter_context(psycopg.connect(server.url())).execute(f"LOCK TABLE {table}".encode())
        yield


@pytest.mark.parametrize("trouble", [PostgresqlServer.stalled, tables_locked])
def test_monitors_are_answered_at_once_while_the_database_keeps_everybody_waiting(
    tmp_path: Path,
    own_postgresql_server: PostgresqlServer,
    trouble: Callable[[PostgresqlServer], AbstractContextManager[None]],
) -> None:
    service = RunningService(tmp_path, NAMES[:3])
    service.environment["DATABASE_URL"] = own_postgresql_server.url()
    with service:
        assert service.get("/healthz").status_code == 200
        with trouble(own_postgresql_server):
            for path in ("/healthz", "/metrics") * 3:
                answer = service.get(path)
                assert (answer.status_code, answer.elapsed.total_seconds() < PROMPT_SECONDS) == (503, True), path
        service.wait(lambda: service.get("/healthz").status_code == 200, "the database again")
