"""Purging a CDN: exactly what changed, through real requests, again when it failed, and never for ever."""

import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from microbadger.cdn.purge import CdnPurge, Status, Timing
from microbadger.cdn.target import Cloudflare, PurgeMethod
from microbadger.http.client import Network
from tests.cdn.bench import BASE_URL, HASTY, PATIENT, Cdn, purge_of, status_of, wait_until_done
from tests.fakes.receiver import DEADLINE_SECONDS, Answer, Behaviour, babble, dead_url, dripping, hang

TOKEN = "a-secret-token"
ZONE = "0123456789abcdef0123456789abcdef"
GRANTED = Answer(200, {}, b'{"success": true, "errors": [], "result": {"id": "1"}}')
DENIED = b'{"success": false, "errors": [{"code": 10000, "message": "no %s"}]}' % TOKEN.encode()
BADGE = "badges/image/ghcr.io/a/web:1.0.svg"


def cloudflare(cdn: Cdn, timing: Timing = PATIENT) -> CdnPurge:
    return purge_of(Cloudflare(ZONE, TOKEN, api_url=f"{cdn.base_url}/client/v4"), timing)


def badges(count: int, name: str = "a/b") -> list[str]:
    return [f"badges/image/{name}:{number}.svg" for number in range(count)]


def refuse_badge(handler: Any) -> None:
    Answer(503 if handler.path == f"/{BADGE}" else 200)(handler)


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with Cdn(Answer(200)) as cdn:
        yield cdn


@pytest.fixture
def purge(cdn: Cdn) -> CdnPurge:
    return purge_of(cdn.base_url)


# A CDN that takes PURGE requests


def test_exactly_what_changed_is_purged(purge: CdnPurge, cdn: Cdn) -> None:
    purge.add([BADGE, "images/ghcr.io/a/web/index.html", "v1/images/ghcr.io/a/web.json", "index.html"])
    purge.wait()

    assert sorted(cdn.asked) == sorted(
        f"PURGE {path}"
        for path in [
            f"/{BADGE}",
            "/images/ghcr.io/a/web/index.html",
            "/images/ghcr.io/a/web",
            "/images/ghcr.io/a/web/",
            "/v1/images/ghcr.io/a/web.json",
            "/v1/images/ghcr.io/a/web",
            "/v1/images/ghcr.io/a/web/",
            "/index.html",
            "/",
        ]
    )
    assert purge.status() == Status(0)


def test_a_purge_goes_below_the_url_of_the_setting_and_names_the_host_that_readers_use(cdn: Cdn) -> None:
    purge = purge_of(f"{cdn.base_url}/below")
    purge.add([BADGE])
    purge.wait()

    (received,) = cdn.received
    assert (received.path, received.headers["Host"]) == (f"PURGE /below/{BADGE}", "badges.example.org")


def test_nothing_is_sent_when_nothing_changed(purge: CdnPurge, cdn: Cdn) -> None:
    purge.add([])
    purge.wait()

    assert (cdn.received, purge.status()) == ([], Status(0))


def test_without_a_cdn_nothing_is_purged() -> None:
    purge = CdnPurge(None, Network("tests"), base_url=BASE_URL)
    purge.add([BADGE])
    purge.wait()

    assert purge.status() is None


def test_what_was_purged_is_purged_again_only_when_it_changes_again(purge: CdnPurge, cdn: Cdn) -> None:
    for path in (BADGE, "badges/other.svg", BADGE):
        purge.add([path])
        purge.wait()

    assert cdn.asked == [f"PURGE /{BADGE}", "PURGE /badges/other.svg", f"PURGE /{BADGE}"]


@pytest.mark.parametrize("status", [200, 204, 404, 412])
def test_a_url_is_done_if_it_was_purged_or_never_kept(status: int) -> None:
    with Cdn(Answer(status)) as cdn:
        purge = purge_of(cdn.base_url)
        purge.add([BADGE])
        purge.wait()

        assert purge.status() == Status(0)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (babble, "the CDN could not be reached: the connection failed"),
        (Answer(500), "the CDN answered with status 500"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), "the CDN answered with status 302"),
        (Answer(405), "the CDN answered with status 405: it does not allow PURGE requests from here"),
    ],
)
def test_what_failed_is_reported(behaviour: Behaviour, error: str) -> None:
    with Cdn(behaviour) as cdn:
        purge = purge_of(cdn.base_url)
        purge.add([BADGE])
        purge.wait()
        status = status_of(purge)

        assert (status.waiting, status.error, cdn.asked) == (1, error, [f"PURGE /{BADGE}"])
        assert status.next_try_at is not None
        assert abs(status.next_try_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_what_failed_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Cdn(Answer(500), Answer(200)) as cdn:
        purge = purge_of(cdn.base_url, HASTY)
        purge.add([BADGE])
        wait_until_done(purge)

        assert (cdn.asked, purge.status()) == ([f"PURGE /{BADGE}"] * 2, Status(0))
    assert caplog.messages == [
        'event=purge_failed error="the CDN answered with status 500" failures=1',
        "event=purged urls=1",
    ]


def test_a_failure_that_goes_on_beside_what_succeeds_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with Cdn(refuse_badge) as cdn:
        purge = purge_of(cdn.base_url, Timing(first_delay=0.5, waiting=10))
        for number in range(3):
            purge.add([BADGE, f"badges/{number}.svg"])
            cdn.wait_for(2 * number + 2)
            purge.wait()
        cdn.behaviours = [Answer(200)]
        wait_until_done(purge)

    assert [message for message in caplog.messages if "failed" in message] == [
        'event=purge_failed error="the CDN answered with status 503" failures=1'
    ]


def test_only_what_failed_is_sent_again() -> None:
    with Cdn(refuse_badge) as cdn:
        purge = purge_of(cdn.base_url, HASTY)
        purge.add([*badges(20), BADGE])

        assert {received.path for received in cdn.wait_for(23)[21:]} == {f"PURGE /{BADGE}"}
        cdn.behaviours = [Answer(200)]
        wait_until_done(purge)


def test_what_could_not_be_purged_for_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    purge = purge_of(dead_url(), Timing(first_delay=0.05, longest_delay=0.1, waiting=0.3))
    purge.add(badges(3))
    wait_until_done(purge)

    assert status_of(purge).error == "the CDN could not be reached: it refuses connections"
    assert 'event=purge_dropped urls=3 reason="they waited for too long"' in caplog.messages


def test_an_address_where_a_cdn_cannot_be_is_not_asked() -> None:
    purge = purge_of("http://169.254.169.254")
    purge.add([BADGE])
    purge.wait()

    assert status_of(purge).error == "the CDN's host name resolves to an address that no CDN can have"


@pytest.mark.parametrize(
    "behaviour", [hang, dripping(b"HTTP/1.0 200 OK\r\n", b"A: b\r\n"), dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"x")]
)
def test_a_cdn_that_takes_for_ever_is_left_alone_after_a_while(behaviour: Behaviour) -> None:
    with Cdn(behaviour) as cdn:
        purge = purge_of(cdn.base_url, Timing(request=0.2, first_delay=3600, longest_delay=3600, waiting=7200))
        purge.add(badges(50))
        purge.wait()

        assert (status_of(purge).waiting, len(cdn.received) < 10) == (50, True)
        assert status_of(purge).error == "the CDN could not be reached: it does not answer"


def test_a_pass_ends_when_its_time_is_up_and_the_next_goes_on(cdn: Cdn) -> None:
    purge = purge_of(cdn.base_url, Timing(one_pass=0.01))
    purge.add(badges(300))
    purge.wait()

    assert (len(cdn.received), purge.status()) == (300, Status(0))


def test_no_more_than_four_requests_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()
    four = threading.Barrier(4, timeout=DEADLINE_SECONDS)

    def count(handler: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        four.wait()
        with lock:
            running -= 1
        Answer(200)(handler)

    with Cdn(count) as cdn:
        purge = purge_of(cdn.base_url)
        purge.add(badges(12))
        purge.wait()

        assert (most, len(cdn.received), purge.status()) == (4, 12, Status(0))


def test_what_breaks_while_it_is_sent_is_a_failure_like_any_other(cdn: Cdn, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PurgeMethod):
        def refusal(self, status: int, body: bytes) -> str | None:
            raise RuntimeError("broken on purpose")

    purge = purge_of(Broken(cdn.base_url))
    purge.add([BADGE])
    purge.wait()

    assert status_of(purge).error == "purging failed unexpectedly, see the log"
    assert "broken on purpose" in caplog.text


# Threads and processes


def test_adding_waits_for_nothing() -> None:
    with Cdn(hang) as cdn:
        purge = purge_of(cdn.base_url)
        purge.add([BADGE])
        cdn.wait_for(1)
        purge.add(["badges/other.svg"])

        assert purge.status() == Status(2)


def test_what_is_added_while_others_are_sent_is_sent_too() -> None:
    with Cdn(hang, Answer(200)) as cdn:
        purge = purge_of(cdn.base_url, HASTY)
        purge.add([BADGE])
        cdn.wait_for(1)
        purge.add(["badges/other.svg"])
        cdn.release()
        wait_until_done(purge)

        assert set(cdn.asked) == {f"PURGE /{BADGE}", "PURGE /badges/other.svg"}


def test_threads_that_add_at_once_lose_nothing(purge: CdnPurge, cdn: Cdn) -> None:
    def add(number: int) -> None:
        for path in badges(20, str(number)):
            purge.add([path])

    threads = [threading.Thread(target=add, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until_done(purge)

    assert set(cdn.asked) == {f"PURGE /{path}" for number in range(4) for path in badges(20, str(number))}


def test_nothing_is_left_running_when_everything_is_purged(purge: CdnPurge) -> None:
    others = set(threading.enumerate())
    purge.add(badges(20))
    purge.wait()

    started = [thread for thread in threading.enumerate() if thread.name == "purge" and thread not in others]
    for thread in started:
        thread.join(DEADLINE_SECONDS)
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_purges_what_it_adds_and_nothing_else() -> None:
    with Cdn(hang, Answer(200)) as cdn:
        purge = purge_of(cdn.base_url)
        purge.add([BADGE])
        cdn.wait_for(1)
        pid = os.fork()
        if pid == 0:
            exit_code = 1
            try:
                if purge.status() == Status(0):
                    purge.add(["badges/child.svg"])
                    purge.wait()
                    exit_code = 0
            finally:
                os._exit(exit_code)

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert (cdn.asked, purge.status()) == ([f"PURGE /{BADGE}", "PURGE /badges/child.svg"], Status(1))


# Cloudflare


def test_cloudflare_is_sent_whole_urls_with_the_token() -> None:
    with Cdn(GRANTED) as cdn:
        purge = cloudflare(cdn)
        purge.add([BADGE, "index.html"])
        purge.wait()

        (received,) = cdn.received
        assert received.path == f"/client/v4/zones/{ZONE}/purge_cache"
        assert (received.headers["Authorization"], received.headers["Content-Type"]) == (
            f"Bearer {TOKEN}",
            "application/json",
        )
        assert cdn.bodies == [{"files": [f"{BASE_URL}/", f"{BASE_URL}/index.html", f"{BASE_URL}/{BADGE}"]}]


def test_cloudflare_is_sent_at_most_thirty_urls_at_once() -> None:
    with Cdn(GRANTED) as cdn:
        purge = cloudflare(cdn)
        purge.add(badges(95))
        purge.wait()

        assert sorted(len(body["files"]) for body in cdn.bodies) == [5, 30, 30, 30]
        assert sorted(url for body in cdn.bodies for url in body["files"]) == sorted(
            f"{BASE_URL}/{path}" for path in badges(95)
        )
        assert purge.status() == Status(0)


def test_of_too_much_for_cloudflare_everything_is_purged_instead() -> None:
    with Cdn(GRANTED) as cdn:
        purge = cloudflare(cdn)
        purge.add(badges(10_001))
        purge.wait()

        assert (cdn.bodies, purge.status()) == ([{"purge_everything": True}], Status(0))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Answer(200, {}, "mañana".encode()), "Cloudflare answered with status 200"),
        (Answer(200, {}, DENIED), "Cloudflare answered with status 200, code 10000"),
        (Answer(200, {}, b'{"success": "true"}'), "Cloudflare answered with status 200"),
        (Answer(200, {}, b'{"success": 1, "errors": 7}'), "Cloudflare answered with status 200"),
        (Answer(200, {}, b'["success"]'), "Cloudflare answered with status 200"),
        (Answer(200, {}, b"[" * 60_000), "Cloudflare answered with status 200"),
        (Answer(200, {}, b'{"success": true, "a": "%s"}' % (b"x" * 70_000)), "Cloudflare answered with status 200"),
        (Answer(500, {}, b'{"success": true}'), "Cloudflare answered with status 500"),
        (Answer(404), "Cloudflare answered with status 404"),
        (
            Answer(403, {}, DENIED),
            "Cloudflare answered with status 403, code 10000: the token may not purge this zone",
        ),
    ],
)
def test_cloudflare_has_purged_only_if_it_says_so(
    caplog: pytest.LogCaptureFixture, behaviour: Behaviour, error: str
) -> None:
    with Cdn(behaviour) as cdn:
        purge = cloudflare(cdn)
        purge.add([BADGE])
        purge.wait()

        status = status_of(purge)
        assert (status.waiting, status.error) == (1, error)
        assert TOKEN not in f"{caplog.text}{status}"


def test_a_token_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Cdn(Answer(403, {}, DENIED)) as cdn:
        purge = cloudflare(cdn)
        purge.add(badges(40))
        purge.wait()

    assert "purge_failed" in caplog.text
    assert TOKEN not in caplog.text
