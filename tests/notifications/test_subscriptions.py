"""Notifications: who is told what, and that nothing is lost between a change and its message."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from microbadger.image.changes import NO_CHANGES, Changes
from microbadger.notifications.messages import FORMATS
from microbadger.notifications.outbox import Attempt
from microbadger.notifications.receivers import InvalidReceiver, Scope
from microbadger.notifications.subscriptions import InvalidSubscription, Notifications, Subscription
from tests.notifications.bench import BASE_URL, PAGE, SHAS, START, Bench, image_at
from tests.running_service import ROOT

URL = "https://hooks.test/mañana"
MOVED = Changes({}, {"latest": SHAS[1]}, {})

ANNOUNCE_AND_HANG = """
import sys
from pathlib import Path
from tests.notifications.bench import Bench, SHAS
Bench(Path(sys.argv[1])).push(SHAS[1])
print("announced", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def bodies(bench: Bench, subscription: Subscription) -> list[Any]:
    """Return what waits for a subscription, and take it out of the line."""
    found = []
    while due := bench.notifications.next_due(subscription.id):
        found.append(json.loads(due[1].body))
        bench.notifications.settle(*due, Attempt(204))
    return found


def test_there_are_no_subscriptions_at_first(bench: Bench) -> None:
    assert (bench.notifications.all(), bench.notifications.due(), bench.notifications.get("mañana")) == ([], [], None)


def test_subscriptions_survive_a_restart(bench: Bench, tmp_path: Path) -> None:
    first = bench.subscribe(URL, tags=("1.*", "latest"), format="slack")
    second = bench.subscribe(URL, enabled=False)

    assert Bench(tmp_path).notifications.all() == [first, second]


def test_only_the_service_can_read_subscriptions(bench: Bench, tmp_path: Path) -> None:
    bench.subscribe()
    bench.push(SHAS[1])

    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_a_secret_is_not_shown_by_accident(bench: Bench) -> None:
    subscription = bench.subscribe()

    assert subscription.secret not in repr(subscription)


def test_each_subscription_has_an_id_and_a_secret_of_its_own(bench: Bench) -> None:
    one, other = bench.subscribe(), bench.subscribe()

    assert (one.id != other.id, one.secret != other.secret) == (True, True)


def test_many_hands_lose_no_subscription(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: bench.subscribe(), range(30)))

    assert {one.id for one in bench.notifications.all()} == {one.id for one in added}


@pytest.mark.parametrize(
    "options",
    [
        {"format": "mañana"},
        {"tags": ("mañana",)},
        {"tags": ("",)},
        {"tags": ("a b",)},
        {"tags": ("a\n",)},
        {"tags": ("a" * 129,)},
        {"tags": ("*",) * 51},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(bench: Bench, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSubscription):
        bench.subscribe(URL, **options)

    assert bench.notifications.all() == []


def test_only_an_operator_may_name_a_private_host(bench: Bench) -> None:
    bench.subscribe("http://10.0.0.1/")
    with pytest.raises(InvalidReceiver):
        bench.notifications.add("example/web", "http://10.0.0.1/")


def test_a_url_that_was_changed_is_no_longer_the_operators(bench: Bench) -> None:
    subscription = bench.subscribe("http://10.0.0.1/")

    with pytest.raises(InvalidReceiver):
        bench.notifications.change(subscription.id, url="http://10.0.0.2/")
    assert bench.notifications.get(subscription.id) == subscription


def test_a_private_url_stays_when_something_else_is_changed(bench: Bench) -> None:
    subscription = bench.subscribe("http://10.0.0.1/")

    changed = bench.notifications.change(subscription.id, enabled=False)

    assert changed == bench.notifications.get(subscription.id)
    assert changed
    assert (changed.url, changed.enabled, bench.notifications.scope(changed)) == (
        "http://10.0.0.1/",
        False,
        Scope.ANYWHERE,
    )


@pytest.mark.parametrize("subscription_id", ["mañana", "", "../x", "*"])
def test_a_subscription_that_is_not_there_cannot_be_changed_or_removed(bench: Bench, subscription_id: str) -> None:
    kept = bench.subscribe()

    assert bench.notifications.change(subscription_id, enabled=False) is None
    assert not bench.notifications.remove(subscription_id)
    assert bench.notifications.all() == [kept]


def test_a_removed_subscription_leaves_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    gone, kept = bench.subscribe(), bench.subscribe()
    bench.push(SHAS[1])
    assert bench.notifications.remove(gone.id)

    assert bench.notifications.all() == [kept]
    assert [path for path in tmp_path.rglob("*") if gone.id in path.name] == []
    assert bench.counts(kept) == (1, 0)


def test_a_removed_subscription_stays_so_when_its_message_was_just_being_sent(bench: Bench, tmp_path: Path) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    due = bench.notifications.next_due(subscription.id)
    assert due
    bench.notifications.remove(subscription.id)

    assert bench.notifications.settle(*due, Attempt(500)) is None
    bench.notifications.settle_test(*due, Attempt(500))
    assert [path for path in tmp_path.rglob("*") if subscription.id in path.name] == []


@pytest.mark.parametrize("format_", FORMATS)
def test_a_change_is_on_disk_when_it_was_announced(bench: Bench, tmp_path: Path, format_: str) -> None:
    subscription = bench.subscribe(format=format_)
    bench.push(SHAS[1])

    restarted = Bench(tmp_path)
    assert restarted.notifications.due() == [subscription.id]
    assert "example/web" in json.dumps(bodies(restarted, subscription))


def test_the_message_leads_to_the_page_of_the_image(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])

    assert bodies(bench, subscription)[0]["text"].endswith(PAGE)


def test_subscribers_of_other_images_are_told_nothing(bench: Bench) -> None:
    for name in ("example/webb", "example/we", "web"):
        bench.notifications.add(name, URL)
    bench.push(SHAS[1])

    assert bench.notifications.due() == []


def test_only_changes_of_the_wanted_tags_are_told(bench: Bench) -> None:
    subscription = bench.subscribe(tags=("1.*",))
    bench.push(SHAS[1], tags=["1.0", "1.1", "latest"])
    bench.push(SHAS[2], tags=["latest", "2.0"])

    told = bodies(bench, subscription)

    assert [[tag["tag"] for tag in body["changed_tags"]] for body in told] == [["1.0", "1.1"]]


def test_a_disabled_subscription_is_told_nothing(bench: Bench) -> None:
    subscription = bench.subscribe(enabled=False)
    bench.push(SHAS[1])

    assert bench.counts(subscription) == (0, 0)


def test_what_waits_is_kept_while_a_subscription_is_disabled(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    bench.notifications.change(subscription.id, enabled=False)
    assert bench.notifications.due() == []

    bench.notifications.change(subscription.id, enabled=True)
    assert bench.notifications.due() == [subscription.id]


def test_what_is_announced_twice_is_told_once(bench: Bench) -> None:
    subscription = bench.subscribe()
    for minute in (1, 2):
        after = image_at(SHAS[1], START + timedelta(minutes=minute))
        bench.notifications.announce(image_at(SHAS[0]), after, MOVED)

    assert len(bodies(bench, subscription)) == 1


def test_what_is_announced_again_after_it_arrived_is_not_told_again(bench: Bench) -> None:
    subscription = bench.subscribe()
    for _ in range(2):
        bench.notifications.announce(image_at(SHAS[0]), image_at(SHAS[1]), MOVED)
        bodies(bench, subscription)

    assert len(bench.history(subscription)) == 1


def test_a_tag_that_goes_back_and_forth_is_told_each_time(bench: Bench) -> None:
    subscription = bench.subscribe()
    for sha in (SHAS[1], SHAS[0], SHAS[1]):
        bench.push(sha)

    shas = [body["changed_tags"][0]["SHA"] for body in bodies(bench, subscription)]
    assert shas == [SHAS[1], SHAS[0], SHAS[1]]
    assert len({delivery["ID"] for delivery in bench.history(subscription)}) == 3


def test_two_subscribers_get_messages_of_different_ids(bench: Bench) -> None:
    one, other = bench.subscribe(), bench.subscribe()
    bench.push(SHAS[1])
    for subscription in (one, other):
        bodies(bench, subscription)

    assert bench.history(one)[0]["ID"] != bench.history(other)[0]["ID"]


def test_an_id_holds_no_full_stop(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    due = bench.notifications.next_due(subscription.id)

    assert due
    assert "." not in due[1].id
    assert "." not in bench.notifications.test_message(subscription).id


def test_no_change_is_not_announced(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.notifications.announce(image_at(SHAS[0]), image_at(SHAS[0]), NO_CHANGES)

    assert bench.counts(subscription) == (0, 0)


def test_a_receiver_that_is_gone_gets_no_more(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    due = bench.notifications.next_due(subscription.id)
    assert due
    bench.notifications.settle(*due, Attempt(410))

    assert not bench.now_enabled(subscription)
    bench.push(SHAS[2])
    assert bench.counts(subscription) == (1, 0)


def test_a_receiver_that_was_replaced_is_not_disabled_because_the_old_one_is_gone(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    due = bench.notifications.next_due(subscription.id)
    assert due
    bench.notifications.change(subscription.id, url="https://hooks.test/new")
    bench.notifications.settle(*due, Attempt(410))

    assert bench.now_enabled(subscription)


def test_a_message_whose_sender_died_after_it_arrived_is_not_sent_again(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.push(SHAS[1])
    due = bench.notifications.next_due(subscription.id)
    assert due
    bench.notifications.settle_test(*due, Attempt(204))  # remembers it as delivered and leaves it in the line

    assert bench.notifications.next_due(subscription.id) is None
    assert bench.counts(subscription) == (0, 0)


@pytest.mark.parametrize("content", ["mañana", "{", "3", '{"a": 1}', "[1]", "[{}]", '[{"id": "x", "tags": []}]'])
def test_a_damaged_file_is_set_aside_and_told_until_it_is_mended(bench: Bench, tmp_path: Path, content: str) -> None:
    subscription = bench.subscribe()
    file = tmp_path / "subscriptions.json"
    whole = file.read_bytes()
    file.write_text(content)

    bench.push(SHAS[1])

    (aside,) = tmp_path.glob("subscriptions.json.damaged-*")
    assert (aside.read_text(), bench.notifications.all()) == (content, [])
    assert str(aside) in bench.notifications.problems[0]
    aside.unlink()
    file.write_bytes(whole)
    assert (bench.notifications.all(), bench.notifications.problems) == ([subscription], [])


def test_many_who_find_a_damaged_file_set_one_aside_and_lose_no_new_subscription(tmp_path: Path) -> None:
    file = tmp_path / "subscriptions.json"
    file.write_bytes(b"[" * 100_000)

    def add(number: int) -> str:
        notifications = Notifications(tmp_path, base_url=BASE_URL, now=lambda: START)
        notifications.all()
        return notifications.add(f"example/web{number}", URL).id

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(16)))

    assert {each["id"] for each in json.loads(file.read_bytes())} == set(added)
    assert len(list(tmp_path.glob("subscriptions.json.damaged-*"))) == 1


def test_there_is_an_end_to_the_number_of_subscriptions(tmp_path: Path) -> None:
    notifications = Notifications(tmp_path, base_url=BASE_URL, now=lambda: START)
    one = notifications.add("example/web", URL)
    entry = json.loads((tmp_path / "subscriptions.json").read_bytes())[0]
    (tmp_path / "subscriptions.json").write_text(json.dumps([entry] * 1000))

    with pytest.raises(InvalidSubscription):
        notifications.add("example/web", URL)
    assert notifications.get(one.id) == one


def test_a_process_killed_after_it_announced_has_lost_nothing(bench: Bench, tmp_path: Path) -> None:
    subscription = bench.subscribe()
    command = [sys.executable, "-c", ANNOUNCE_AND_HANG, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"announced\n"
        os.kill(process.pid, signal.SIGKILL)

    bench.push(SHAS[1])  # the next look finds the old record, and announces the same
    assert [body["changed_tags"][0]["SHA"] for body in bodies(bench, subscription)] == [SHAS[1]]
