"""Notifications: who gets which message, and that none is lost or made twice between a change and its commit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microbadger.image.base_moves import BaseMovedDocument
from microbadger.image.changes import NO_CHANGES, Changes
from microbadger.notifications.messages import FORMATS
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.subscriptions import Subscription
from tests.notifications.bench import PAGE, SHAS, Bench, Postman, image_at
from tests.running_service import ROOT

URL = "https://hooks.test/mañana"
BASE = BaseMovedDocument(
    Kind="base_moved",
    Name="alpine:3.22",
    NewDigest=f"sha256:{SHAS[1]}",
    MovedAt="2026-11-24T12:00:00Z",
    Tags=["latest"],
)
MOVED = Changes({}, {"latest": SHAS[1]}, {})

ANNOUNCE_AND_HANG = """
import sys
from pathlib import Path
from microbadger.image.changes import Changes
from tests.notifications.bench import Bench, SHAS, image_at
bench = Bench(Path(sys.argv[1]))
with bench.database.write(durable=True) as connection:
    changes = Changes({}, {"latest": SHAS[1]}, {})
    bench.notifications.announce(connection, image_at(SHAS[0]), image_at(SHAS[1]), changes)
    if sys.argv[2] == "before the commit":
        print("ready", flush=True)
        sys.stdin.read()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
def bench(tmp_path: Path, postman: Postman) -> Bench:
    return Bench(tmp_path, postman.send)


def bodies(postman: Postman, subscription: Subscription) -> list[Any]:
    """Return what was sent for a subscription."""
    return [json.loads(message.body) for sent_for, message in postman.sent if sent_for.id == subscription.id]


def test_nothing_is_sent_at_first(bench: Bench, postman: Postman) -> None:
    bench.subscribe()
    bench.deliver()

    assert postman.sent == []


@pytest.mark.parametrize("format_", FORMATS)
def test_a_change_that_was_announced_survives_a_restart(
    bench: Bench, tmp_path: Path, postman: Postman, format_: str
) -> None:
    subscription = bench.subscribe(format=format_)
    bench.push(SHAS[1])
    Bench(tmp_path, postman.send).deliver()

    ((receiver, message),) = postman.sent
    assert receiver.id == subscription.id
    assert "example/web" in f"{message.body} {message.headers}"


@pytest.mark.parametrize(("wants", "count"), [(True, 2), (False, 1)])
def test_a_base_that_moved_is_announced_to_those_who_want_it(
    bench: Bench, postman: Postman, wants: bool, count: int
) -> None:
    subscription = bench.subscribe(format="json", wants_base_moved=wants)
    same, base = image_at(SHAS[0]), BASE
    with bench.database.write(durable=True) as connection:
        bench.notifications.announce(connection, same, same, Changes({}, {}, {}, (base,)))
        both = Changes({}, {"latest": SHAS[1]}, {}, (base,))
        bench.notifications.announce(connection, same, image_at(SHAS[1]), both)
    bench.deliver()

    sent = bodies(postman, subscription)
    assert [("BaseMoved" in body["data"]) for body in sent] == [wants] * count


def test_the_message_leads_to_the_page_of_the_image(bench: Bench, postman: Postman) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    bench.deliver()

    assert bodies(postman, subscription)[0]["text"].endswith(PAGE)


def test_subscribers_of_other_images_get_nothing(bench: Bench) -> None:
    for name in ("example/webb", "example/we", "web"):
        bench.notifications.add(name, URL)
    bench.push(SHAS[1])

    assert bench.notifications.lengths() == {"waiting": 0, "parked": 0}


def test_only_changes_of_the_wanted_tags_are_sent(bench: Bench, postman: Postman) -> None:
    subscription = bench.subscribe(tags=("1.*",))
    bench.push(SHAS[1], tags=["1.0", "1.1", "latest"])
    bench.push(SHAS[2], tags=["latest", "2.0"])
    bench.deliver()

    sent = bodies(postman, subscription)
    assert [[tag["tag"] for tag in body["changed_tags"]] for body in sent] == [["1.0", "1.1"]]


def test_a_disabled_subscription_gets_nothing(bench: Bench) -> None:
    subscription = bench.subscribe(is_enabled=False)
    bench.push(SHAS[1])

    assert bench.lengths(subscription) == (0, 0)


def test_what_waits_is_kept_while_a_subscription_is_disabled(bench: Bench, postman: Postman) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    bench.notifications.change(subscription.id, is_enabled=False)
    bench.deliver()
    assert postman.sent == []

    bench.notifications.change(subscription.id, is_enabled=True)
    bench.deliver()
    assert len(postman.sent) == 1


def test_a_tag_that_goes_back_and_forth_is_announced_each_time(bench: Bench, postman: Postman) -> None:
    subscription = bench.subscribe()
    for sha in (SHAS[1], SHAS[0], SHAS[1]):
        bench.push(sha)
    bench.deliver()

    shas = [body["changed_tags"][0]["SHA"] for body in bodies(postman, subscription)]
    assert shas == [SHAS[1], SHAS[0], SHAS[1]]
    assert len({message.id for _, message in postman.sent}) == 3


def test_two_subscribers_get_messages_of_different_ids(bench: Bench, postman: Postman) -> None:
    bench.subscribe()
    bench.subscribe()
    bench.push(SHAS[1])
    bench.deliver()

    assert len({message.id for _, message in postman.sent}) == 2


def test_an_id_holds_no_full_stop(bench: Bench, postman: Postman) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    bench.deliver()
    bench.notifications.send_test(subscription)

    assert [message.id.count(".") for _, message in postman.sent] == [0, 0]


def test_no_change_is_not_announced(bench: Bench) -> None:
    subscription = bench.subscribe()
    with bench.database.write() as connection:
        bench.notifications.announce(connection, image_at(SHAS[0]), image_at(SHAS[0]), NO_CHANGES)

    assert bench.lengths(subscription) == (0, 0)


def test_a_receiver_that_is_gone_gets_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Postman(Attempt(410)).send)
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    bench.deliver()

    assert not bench.now_enabled(subscription)
    bench.push(SHAS[2])
    assert bench.lengths(subscription) == (1, 0)


def test_a_receiver_that_was_replaced_is_not_disabled_because_the_old_one_is_gone(tmp_path: Path) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        desk.notifications.change(subscription.id, url="https://hooks.test/new")
        return Attempt(410)

    desk = Bench(tmp_path, send)
    subscription = desk.subscribe()
    desk.push(SHAS[1])
    desk.deliver()

    assert desk.now_enabled(subscription)


def test_messages_are_committed_with_the_transaction_that_announced_them(bench: Bench) -> None:
    subscription = bench.subscribe()
    with bench.database.write() as connection:
        bench.notifications.announce(connection, image_at(SHAS[0]), image_at(SHAS[1]), MOVED)
        assert bench.lengths(subscription) == (0, 0)

    assert bench.lengths(subscription) == (1, 0)


def test_a_transaction_that_is_rolled_back_leaves_no_message(bench: Bench) -> None:
    subscription = bench.subscribe()

    def announce_and_fail() -> None:
        with bench.database.write() as connection:
            bench.notifications.announce(connection, image_at(SHAS[0]), image_at(SHAS[1]), MOVED)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        announce_and_fail()
    assert bench.lengths(subscription) == (0, 0)


@pytest.mark.parametrize(("moment", "waiting"), [("before the commit", 0), ("after the commit", 1)])
def test_a_killed_process_leaves_the_messages_that_it_committed(
    bench: Bench, tmp_path: Path, moment: str, waiting: int
) -> None:
    subscription = bench.subscribe()
    command = [sys.executable, "-c", ANNOUNCE_AND_HANG, str(tmp_path), moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)

    assert bench.lengths(subscription) == (waiting, 0)
