"""Subscriptions: what can be added and changed, by whom, and that they last."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from microbadger.notifications import subscriptions
from microbadger.notifications.outbox import Attempt, Message
from microbadger.notifications.receivers import InvalidReceiver, Scope
from microbadger.notifications.subscriptions import InvalidSubscription, Subscription
from microbadger.store.tables import DELIVERIES, LEASES, MESSAGES, SUBSCRIPTIONS
from tests.notifications.bench import BASE_URL, PAGE, SHAS, Bench, Postman

URL = "https://hooks.test/mañana"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def rows_about(bench: Bench, subscription: Subscription) -> list[str]:
    """Return the names of the tables that mention a subscription."""
    found = []
    with bench.database.read() as connection:
        for table in (SUBSCRIPTIONS, MESSAGES, DELIVERIES, LEASES):
            rows = connection.execute(select(table)).all()
            found += [table.name for row in rows if subscription.id in str(row)]
    return found


def test_there_are_no_subscriptions_at_first(bench: Bench) -> None:
    assert (bench.notifications.all(), bench.notifications.get("mañana")) == ([], None)


def test_subscriptions_survive_a_restart(bench: Bench, tmp_path: Path) -> None:
    first = bench.subscribe(URL, tags=("1.*", "latest"), format="slack")
    second = bench.subscribe(URL, is_enabled=False)

    assert Bench(tmp_path).notifications.all() == [first, second]


def test_a_subscription_is_found_by_its_id(bench: Bench) -> None:
    bench.subscribe()
    subscription = bench.subscribe(URL, tags=("1.*",))

    assert bench.notifications.get(subscription.id) == subscription


def test_a_secret_is_not_shown_by_accident(bench: Bench) -> None:
    subscription = bench.subscribe()

    assert subscription.secret not in repr(subscription)


def test_each_subscription_has_an_id_and_a_secret_of_its_own(bench: Bench) -> None:
    one, other = bench.subscribe(), bench.subscribe()

    assert (one.id != other.id, one.secret != other.secret) == (True, True)


def test_a_subscription_leads_to_the_page_of_the_image(bench: Bench) -> None:
    assert bench.notifications.page_url(bench.subscribe()) == PAGE


def test_many_threads_lose_no_subscription(bench: Bench) -> None:
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
        {"tags": ("[z-a]",)},
        {"tags": ("1.*", "!*")},
        {"authorization_header": "Bearer x\r\nX-Other: y"},
        {"authorization_header": "mañana"},
        {"authorization_header": " Bearer x"},
        {"authorization_header": "x" * 2049},
    ],
)
def test_an_invalid_subscription_is_refused(bench: Bench, options: dict[str, Any]) -> None:
    kept = bench.subscribe(URL)
    with pytest.raises(InvalidSubscription):
        bench.subscribe(URL, **options)
    with pytest.raises(InvalidSubscription):
        bench.notifications.change(kept.id, **options)

    assert bench.notifications.all() == [kept]


def test_only_an_operator_may_name_a_private_host(bench: Bench) -> None:
    bench.subscribe("http://10.0.0.1/")
    with pytest.raises(InvalidReceiver):
        bench.notifications.add("example/web", "http://10.0.0.1/")


def test_a_url_that_was_changed_is_no_longer_the_operators(bench: Bench) -> None:
    subscription = bench.subscribe("http://10.0.0.1/")

    with pytest.raises(InvalidReceiver):
        bench.notifications.change(subscription.id, url="http://10.0.0.2/")
    assert bench.notifications.get(subscription.id) == subscription


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://hooks.test/other", "Bearer x"),
        ("https://hooks.test:443/y", "Bearer x"),
        ("https://elsewhere.test/x", ""),
    ],
)
def test_an_authorization_is_for_one_server(bench: Bench, url: str, kept: str) -> None:
    subscription = bench.subscribe("https://hooks.test/x", authorization_header="Bearer x")

    changed = bench.notifications.change(subscription.id, url=url)

    assert changed
    assert (changed.url, changed.authorization_header) == (url, kept)


def test_a_damaged_url_can_be_replaced(bench: Bench) -> None:
    damaged = bench.subscribe(URL)
    with bench.database.write() as connection:
        subscriptions.update(connection, replace(damaged, url="mañana"))

    changed = bench.notifications.change(damaged.id, url=URL)

    assert changed
    assert changed.url == URL


def test_an_authorization_is_not_shown_by_accident(bench: Bench) -> None:
    subscription = bench.subscribe(URL, authorization_header="Bearer x")

    assert "Bearer" not in repr(subscription)


def test_what_else_is_wrong_with_a_subscription_does_not_keep_it_from_being_disabled(bench: Bench) -> None:
    damaged = bench.subscribe(URL)
    with bench.database.write() as connection:
        subscriptions.update(connection, replace(damaged, tags=("[z-a]",)))

    changed = bench.notifications.change(damaged.id, is_enabled=False)

    assert changed
    assert not changed.is_enabled


def test_a_private_url_stays_when_something_else_is_changed(bench: Bench) -> None:
    subscription = bench.subscribe("http://10.0.0.1/")

    changed = bench.notifications.change(subscription.id, is_enabled=False)

    assert changed == bench.notifications.get(subscription.id)
    assert changed
    assert (changed.url, changed.is_enabled, changed.scope(BASE_URL)) == ("http://10.0.0.1/", False, Scope.ANYWHERE)


@pytest.mark.parametrize("subscription_id", ["mañana", "", "../x", "*", "%"])
def test_a_subscription_that_does_not_exist_cannot_be_changed_or_removed(bench: Bench, subscription_id: str) -> None:
    kept = bench.subscribe()

    assert bench.notifications.change(subscription_id, is_enabled=False) is None
    assert not bench.notifications.remove(subscription_id)
    assert bench.notifications.resend(subscription_id) == 0
    assert bench.notifications.all() == [kept]


def test_a_removed_subscription_leaves_nothing_behind(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Postman(Attempt(204), Attempt(500)).send)
    gone = bench.subscribe()
    for sha in SHAS[1:3]:
        bench.push(sha)
    bench.deliver()
    assert {*rows_about(bench, gone)} == {"subscriptions", "messages", "deliveries", "leases"}

    assert bench.notifications.remove(gone.id)
    assert rows_about(bench, gone) == []


def test_other_subscriptions_stay_when_one_is_removed(bench: Bench) -> None:
    gone, kept = bench.subscribe(), bench.subscribe()
    bench.push(SHAS[1])
    bench.notifications.remove(gone.id)

    assert bench.notifications.all() == [kept]
    assert bench.lengths(kept) == (1, 0)


def test_a_subscription_removed_while_its_message_was_being_sent_leaves_nothing_behind(tmp_path: Path) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        desk.notifications.remove(subscription.id)
        return Attempt(500)

    desk = Bench(tmp_path, send)
    subscription = desk.subscribe()
    desk.push(SHAS[1])
    desk.deliver()

    assert rows_about(desk, subscription) == []


def test_a_subscription_removed_during_its_test_leaves_nothing_behind(tmp_path: Path) -> None:
    def send(subscription: Subscription, message: Message, scope: Scope) -> Attempt:
        desk.notifications.remove(subscription.id)
        return Attempt(204)

    desk = Bench(tmp_path, send)
    subscription = desk.subscribe()
    desk.notifications.send_test(subscription)

    assert rows_about(desk, subscription) == []


def test_the_number_of_subscriptions_is_limited(bench: Bench) -> None:
    one = bench.subscribe()
    with bench.database.write() as connection:
        for number in range(999):
            subscription = Subscription(id=f"{number}", image_name="alpine", url=URL, secret="x")
            subscriptions.insert(connection, subscription)

    with pytest.raises(InvalidSubscription):
        bench.subscribe()
    assert len(bench.notifications.all()) == 1000
    bench.notifications.remove(one.id)
    bench.subscribe()
