"""Webhooks that wait until the files are fresh, of a service in which nothing is checked until a test does it."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request

from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.real_registry import wait_until
from tests.web.bench import Bench

MOST_WAITING = 4
SECONDS = 30.0
WEB, GONE = "example/web", "example/gone"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push(WEB, "latest", image(labels={"größe": "S"}))
        yield fake


@pytest.fixture
def bench(fake: FakeRegistry, tmp_path: Path) -> Bench:
    return Bench(tmp_path, f"{WEB} {GONE}", fake)


@pytest.fixture
def senders() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MOST_WAITING + 2) as senders:
        yield senders


def announce(bench: Bench, senders: ThreadPoolExecutor, name: str = WEB, count: int = 1) -> list[Future[TestResponse]]:
    """Post so many webhooks that wait; return once each is accepted."""
    path = f"{bench.webhook(name)}?wait={SECONDS}"
    sent = [senders.submit(bench.client.post, path) for _ in range(count)]
    wait_until(lambda: times_asked(bench, name) == count, f"{count} requests for a check", SECONDS)
    return sent


def times_asked(bench: Bench, name: str) -> int:
    with bench.tools.database.read() as connection:
        return sum(each.asked for each in bench.freshness.requests.waiting(connection, Repository.parse(name)))


def test_it_is_answered_when_the_files_are_fresh(bench: Bench, senders: ThreadPoolExecutor) -> None:
    (answer,) = announce(bench, senders)

    bench.refresh(WEB)

    sha = bench.client.get(f"/v1/images/{WEB}").get_json()["LatestSHA"]
    assert answer.result(SECONDS).status_code == 200
    assert answer.result().get_json() == {"ImageName": WEB, "Result": "fresh", "LatestSHA": sha}


def test_it_is_answered_with_the_reason_if_the_registry_fails(bench: Bench, senders: ThreadPoolExecutor) -> None:
    (answer,) = announce(bench, senders, GONE)

    assert bench.command("refresh", GONE).exit_code == 1

    failed = answer.result(SECONDS)
    assert (failed.status_code, failed.get_json()["Result"]) == (502, "failed")
    assert failed.get_json()["Error"] == bench.client.get(f"/v1/images/{GONE}/-/status.json").get_json()["Error"]


def test_a_check_that_began_before_it_is_not_its_answer_and_one_more_follows(
    bench: Bench, fake: FakeRegistry, senders: ThreadPoolExecutor
) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        is_asked.set()
        may_answer.wait(SECONDS)

    fake.always("/tags/list", hold)
    checking = senders.submit(bench.refresh, WEB)
    assert is_asked.wait(SECONDS)
    answers = announce(bench, senders, count=3)
    may_answer.set()

    checking.result(SECONDS)

    assert {answer.result(SECONDS).status_code for answer in answers} == {200}
    assert fake.asked("GET", f"/v2/{WEB}/tags/list") == 2


def test_four_wait_at_most_and_others_are_accepted_at_once(bench: Bench, senders: ThreadPoolExecutor) -> None:
    answers = announce(bench, senders, count=MOST_WAITING + 2)

    wait_until(lambda: sum(answer.done() for answer in answers) == 2, "two answers", SECONDS)
    waiting = [answer for answer in answers if not answer.done()]
    bench.refresh(WEB)

    at_once = [answer.result() for answer in answers if answer not in waiting]
    assert [(answer.status_code, answer.get_json()["Result"]) for answer in at_once] == [(202, "accepted")] * 2
    assert [answer.result(SECONDS).status_code for answer in waiting] == [200] * MOST_WAITING


def test_once_those_that_waited_are_answered_others_can_wait(bench: Bench, senders: ThreadPoolExecutor) -> None:
    for _ in range(2):
        answers = announce(bench, senders, count=MOST_WAITING)
        bench.refresh(WEB)

        assert [answer.result(SECONDS).status_code for answer in answers] == [200] * MOST_WAITING


def notify(bench: Bench, senders: ThreadPoolExecutor, *names: str, seconds: float = SECONDS) -> Future[TestResponse]:
    """Post a payload about these images to the webhook for all of them."""
    events = [{"action": "push", "target": {"repository": name, "tag": "latest"}} for name in names]
    for event in events:
        event["request"] = {"host": "docker.io"}
    path = f"{bench.webhook()}?wait={seconds}"
    return senders.submit(bench.client.post, path, json={"events": events})


def test_the_webhook_of_all_images_is_answered_in_the_same_way(bench: Bench, senders: ThreadPoolExecutor) -> None:
    answer = notify(bench, senders, WEB)
    wait_until(lambda: times_asked(bench, WEB) == 1, "a request for a check", SECONDS)

    bench.refresh(WEB)

    sha = bench.client.get(f"/v1/images/{WEB}").get_json()["LatestSHA"]
    assert answer.result(SECONDS).status_code == 200
    assert answer.result().get_json() == {"ImageName": WEB, "Result": "fresh", "LatestSHA": sha}


def test_a_payload_about_several_images_is_answered_with_what_became_of_each(
    bench: Bench, senders: ThreadPoolExecutor
) -> None:
    answer = notify(bench, senders, WEB, GONE, WEB)
    wait_until(lambda: times_asked(bench, GONE) == 1, "a request for a check", SECONDS)

    bench.command("refresh", WEB, GONE)

    results = {each["ImageName"]: each["Result"] for each in answer.result(SECONDS).get_json()["Images"]}
    assert (answer.result().status_code, results) == (502, {WEB: "fresh", GONE: "failed"})


def test_a_wait_for_several_images_that_is_over_says_which_are_accepted(
    bench: Bench, senders: ThreadPoolExecutor
) -> None:
    answer = notify(bench, senders, WEB, GONE, seconds=0.01).result(SECONDS)

    assert answer.status_code == 202
    assert [each["Result"] for each in answer.get_json()["Images"]] == ["accepted", "accepted"]
