"""Guesses of the admin token are slowed for the client that makes them, and for nobody else."""

from pathlib import Path

import pytest

from microbadger.web.guesses import Guesses
from tests.web.bench import Bench

TOKEN = "an administrator's"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, "example/web", admin_token=TOKEN)


def ask(bench: Bench, token: str, address: str = "192.0.2.1", path: str = "/v1/notifications/") -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return bench.client.get(path, headers=headers, environ_base={"REMOTE_ADDR": address}).status_code


def test_after_ten_wrong_tokens_none_is_compared_for_a_while(bench: Bench) -> None:
    assert [ask(bench, f"guess {number}") for number in range(12)] == [401] * 10 + [429] * 2
    assert ask(bench, TOKEN) == 429
    assert ask(bench, TOKEN, path="/v1/images/example/web/-/webhook") == 429
    assert ask(bench, TOKEN, "192.0.2.2") == 200


def test_the_answer_says_how_long(bench: Bench) -> None:
    for number in range(10):
        ask(bench, f"guess {number}")

    headers = {"Authorization": "Bearer guess"}
    answer = bench.client.get("/v1/notifications/", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"})

    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert (answer.headers["Cache-Control"], answer.mimetype) == ("no-store", "application/json")


def test_a_request_without_a_token_is_no_guess(bench: Bench) -> None:
    assert {bench.client.get("/v1/notifications/").status_code for _ in range(20)} == {401}
    assert ask(bench, TOKEN, "127.0.0.1") == 200


def test_no_header_makes_another_client_of_one(bench: Bench) -> None:
    def guess(number: int) -> int:
        headers = {"Authorization": "x", "X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}
        return bench.client.get("/v1/notifications/", headers=headers).status_code

    assert [guess(number) for number in range(12)][-2:] == [429, 429]


def test_a_guess_is_forgotten_every_three_seconds() -> None:
    now = 1000.0
    guesses = Guesses(lambda: now)
    for _ in range(10):
        guesses.add("a")

    assert guesses.seconds_to_wait("a") == 3
    now += 3
    assert guesses.seconds_to_wait("a") == 0
    guesses.add("a")
    assert guesses.seconds_to_wait("a") == 3
    now += 30
    assert guesses.seconds_to_wait("a") == 0


def test_many_clients_take_no_more_room_than_ten_thousand() -> None:
    guesses = Guesses(lambda: 0.0)
    for number in range(10_100):
        guesses.add(str(number))

    assert len(guesses._forgotten_at) == 10_000
