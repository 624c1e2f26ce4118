"""The time within which all requests of a piece of work have to be answered."""

import math
import threading

import pytest

from microbadger.http.addresses import is_possible
from microbadger.http.client import Client, Network
from microbadger.http.deadline import all_within, seconds_left
from microbadger.http.errors import CutOff
from microbadger.http.origin import Url
from tests.fakes.registry import RawServer, read_request


def test_without_a_time_there_is_no_end() -> None:
    assert seconds_left() == math.inf


def test_of_two_times_the_shorter_one_counts() -> None:
    with all_within(10):
        with all_within(100):
            assert seconds_left() <= 10
        with all_within(1):
            assert seconds_left() <= 1
        assert 1 < seconds_left() <= 10
    assert seconds_left() == math.inf


def test_the_time_of_one_thread_is_not_that_of_another() -> None:
    seen: list[float] = []
    with all_within(1):
        thread = threading.Thread(target=lambda: seen.append(seconds_left()))
        thread.start()
        thread.join()
    assert seen == [math.inf]


def test_after_the_time_no_request_is_sent() -> None:
    with RawServer(read_request) as server, all_within(0):
        with pytest.raises(CutOff):
            Client(Network("tests"), is_possible).send("GET", Url.of(server.url), {}, max_bytes=1)
        assert server.connections == 0


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_an_answer_that_takes_longer_than_the_time_of_the_work_is_cut_off(begin: bytes) -> None:
    over = threading.Event()

    def drip(connection: object) -> None:
        read_request(connection)  # type: ignore[arg-type]
        connection.sendall(begin)  # type: ignore[attr-defined]
        while not over.wait(0.05):
            connection.sendall(b"H")  # type: ignore[attr-defined]

    with RawServer(drip) as server, all_within(0.5):
        with pytest.raises(CutOff):
            Client(Network("tests"), is_possible).send("GET", Url.of(server.url), {}, max_bytes=1000)
        over.set()
