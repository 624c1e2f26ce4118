"""Name servers that say nothing, or say it too late."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from microbadger.http.addresses import is_possible
from microbadger.http.client import Client, Limits, Network
from microbadger.http.deadline import all_within
from microbadger.http.errors import ConnectionFailed, CutOff, HttpError
from microbadger.http.names import NameQuestions, Resolve
from microbadger.http.origin import Url
from tests.fakes.registry import RawServer, answering
from tests.real_registry import wait_until

HOST = "registry.test"
PATIENCE_SECONDS = 60.0


class SilentNameServer:
    """Answers no question until it is told to, and counts them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.speaks = threading.Event()

    def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        self.speaks.wait(PATIENCE_SECONDS)
        return ["127.0.0.1"]


@pytest.fixture
def server() -> Iterator[SilentNameServer]:
    server = SilentNameServer()
    yield server
    server.speaks.set()


@pytest.fixture
def questions() -> NameQuestions:
    return NameQuestions(most_open=3)


def request(resolve: Resolve, url: str, limits: Limits | None = None) -> None:
    Client(Network("tests", resolve=resolve), is_possible, limits=limits).send("GET", Url.of(url), {}, max_bytes=1)


def test_a_name_server_that_says_nothing_takes_the_time_of_a_connection(server: SilentNameServer) -> None:
    began = time.monotonic()
    with pytest.raises(CutOff):
        request(server.resolve, f"http://{HOST}/", Limits(connect_seconds=0.2))
    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_a_name_server_that_says_nothing_takes_no_more_than_the_time_of_the_work(server: SilentNameServer) -> None:
    began = time.monotonic()
    with all_within(0.2), pytest.raises(CutOff):
        request(server.resolve, f"http://{HOST}/")
    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_a_name_server_that_answers_late_is_heard_by_the_next_who_asks(
    server: SilentNameServer, questions: NameQuestions
) -> None:
    with pytest.raises(CutOff):
        questions.ask(server.resolve, HOST, 443, 0.05)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(questions.ask, server.resolve, HOST, 443, PATIENCE_SECONDS) for _ in range(3)]
        server.speaks.set()
        assert [answer.result() for answer in waiting] == [["127.0.0.1"]] * 3


def test_the_same_question_is_open_once_and_each_other_one_apart(
    server: SilentNameServer, questions: NameQuestions
) -> None:
    for _ in range(3):
        for host in (HOST, "other.test"):
            with pytest.raises(CutOff):
                questions.ask(server.resolve, host, 443, 0.01)
    assert sorted(server.asked) == ["other.test", HOST]
    assert questions.ask(lambda host, port: ["8.8.8.8"], "third.test", 443, PATIENCE_SECONDS) == ["8.8.8.8"]


def test_of_open_questions_there_are_never_more_than_a_few(server: SilentNameServer, questions: NameQuestions) -> None:
    for number in range(10):
        with pytest.raises(CutOff):
            questions.ask(server.resolve, f"{number}.test", 443, 0.01)
    assert len(server.asked) == 3
    assert list(questions.ask(lambda host, port: [host], "127.0.0.1", 443, 1)) == ["127.0.0.1"]
    server.speaks.set()

    def is_answered() -> bool:
        try:
            return list(questions.ask(server.resolve, "last.test", 443, PATIENCE_SECONDS)) == ["127.0.0.1"]
        except CutOff:
            return False

    wait_until(is_answered, "an answer again", PATIENCE_SECONDS)


def unknown(host: str, port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "not known")


def slow_to_fail(host: str, port: int) -> list[str]:
    raise TimeoutError


@pytest.mark.parametrize(
    ("resolve", "reason"), [(unknown, "its name cannot be resolved"), (slow_to_fail, "it does not answer")]
)
def test_what_a_resolver_raises_is_raised(resolve: Resolve, reason: str) -> None:
    with pytest.raises(HttpError, match=reason) as raised:
        request(resolve, f"http://{HOST}/")
    assert isinstance(raised.value, ConnectionFailed)


def test_a_name_that_is_known_is_reached() -> None:
    with RawServer(answering(b"HTTP/1.1 204 No\r\n\r\n")) as server:
        request(lambda host, port: ["127.0.0.1"], server.url.replace("127.0.0.1", HOST))
        assert server.connections == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_waits_for_no_thread_of_its_parent(
    server: SilentNameServer, questions: NameQuestions
) -> None:
    with pytest.raises(CutOff):
        questions.ask(server.resolve, HOST, 443, 0.01)
    child = os.fork()
    if child == 0:
        questions.start_afresh()
        server.speaks.set()
        os._exit(0 if questions.ask(server.resolve, HOST, 443, PATIENCE_SECONDS) == ["127.0.0.1"] else 1)
    assert os.waitpid(child, 0)[1] == 0
