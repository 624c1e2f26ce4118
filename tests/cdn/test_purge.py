"""Purging a CDN: exactly what changed, through real requests, again when it failed, and never for ever."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from microbadger.cdn.purge import Status
from microbadger.cdn.queue import PurgeQueue, Trouble
from microbadger.cdn.sender import CdnSender, Failure, Sent
from microbadger.cdn.target import EVERYTHING, Cloudflare, PurgeMethod
from tests.cdn.bench import BASE_URL, START, Bench, Cdn
from tests.fakes.receiver import DEADLINE_SECONDS, Answer, Behaviour, babble, dead_url, dripping, hang
from tests.real_registry import wait_until
from tests.running_service import ROOT

TOKEN = "a-secret-token"
ZONE = "0123456789abcdef0123456789abcdef"
GRANTED = Answer(200, {}, b'{"success": true, "errors": [], "result": {"id": "1"}}')
DENIED = b'{"success": false, "errors": [{"code": 10000, "message": "no %s"}]}' % TOKEN.encode()
BADGE = "badges/image/ghcr.io/a/web:1.0.svg"
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)

WORK_AND_WAIT = """
import sys
from pathlib import Path
from tests.cdn.bench import Bench
bench = Bench(Path(sys.argv[1]), sys.argv[2])
if "add" in sys.argv:
    bench.purge.add(["badges/image/a/b.svg"])
print("ready", flush=True)
if "purge" in sys.argv:
    sys.stdin.readline()
    bench.purge.purge_due()
    bench.purge.wait()
sys.stdin.read()
"""


def cloudflare(folder: Path, cdn: Cdn) -> Bench:
    return Bench(folder, "", replace(Cloudflare(ZONE, TOKEN), api_url=f"{cdn.base_url}/client/v4"))


def fail(*_: object) -> Sent:
    """Send nothing, as if the CDN were down."""
    return Sent(failures=[Failure("the CDN answered with status 500")])


def badges(count: int, name: str = "a/b") -> list[str]:
    return [f"badges/image/{name}:{number}.svg" for number in range(count)]


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with Cdn(Answer(200)) as cdn:
        yield cdn


@pytest.fixture
def bench(tmp_path: Path, cdn: Cdn) -> Bench:
    return Bench(tmp_path, cdn.base_url)


def test_exactly_what_changed_is_purged(bench: Bench, cdn: Cdn) -> None:
    bench.purge.add([BADGE, "images/ghcr.io/a/web/index.html", "v1/images/ghcr.io/a/web.json", "index.html"])
    bench.send()

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
    assert bench.status == Status(0)


def test_a_purge_goes_below_the_url_of_the_setting_and_names_the_host_that_readers_use(
    tmp_path: Path, cdn: Cdn
) -> None:
    bench = Bench(tmp_path, f"{cdn.base_url}/below")
    bench.purge.add([BADGE])
    bench.send()

    (received,) = cdn.received
    assert (received.path, received.headers["Host"]) == (f"PURGE /below/{BADGE}", "badges.example.org")


def test_nothing_is_sent_when_nothing_changed(bench: Bench, cdn: Cdn) -> None:
    bench.purge.add([])
    bench.send()

    assert cdn.received == []
    assert list(bench.folder.iterdir()) == []


def test_what_changed_twice_before_it_was_purged_is_purged_once(bench: Bench, cdn: Cdn) -> None:
    for _ in range(3):
        bench.purge.add([BADGE])
    bench.send()

    assert cdn.asked == [f"PURGE /{BADGE}"]


def test_what_was_purged_is_not_purged_again(bench: Bench, cdn: Cdn) -> None:
    bench.purge.add([BADGE])
    bench.send()
    bench.send(DAY)

    assert len(cdn.received) == 1


@pytest.mark.parametrize("status", [200, 204, 404, 412])
def test_a_url_is_done_if_it_was_forgotten_or_never_kept(tmp_path: Path, status: int) -> None:
    with Cdn(Answer(status)) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        bench.send()

        assert bench.status == Status(0)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (babble, "the CDN could not be reached: the connection failed"),
        (Answer(500), "the CDN answered with status 500"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), "the CDN answered with status 302"),
        (Answer(405), "the CDN answered with status 405: it takes no PURGE request from here"),
    ],
)
def test_what_failed_is_said_and_tried_again(tmp_path: Path, behaviour: Behaviour, error: str) -> None:
    with Cdn(behaviour, Answer(200)) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        bench.send()
        assert bench.status == Status(1, error, START + timedelta(seconds=5))

        bench.send(timedelta(seconds=4))
        assert len(cdn.received) == 1

        bench.send(timedelta(seconds=1))
        assert cdn.asked == [f"PURGE /{BADGE}"] * 2
        assert bench.status == Status(0)


def test_a_cdn_where_nobody_listens_is_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dead_url())
    bench.purge.add([BADGE])
    bench.send()

    assert (bench.status.waiting, bench.status.error) == (1, "the CDN could not be reached: it refuses connections")


def test_an_address_where_no_cdn_can_be_is_not_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "http://169.254.169.254")
    bench.purge.add([BADGE])
    bench.send()

    assert bench.status.error == "the CDN's name leads to an address where no CDN is"


@pytest.mark.parametrize(
    "behaviour", [hang, dripping(b"HTTP/1.0 200 OK\r\n", b"A: b\r\n"), dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"x")]
)
def test_a_cdn_that_takes_for_ever_is_left_alone_after_a_while(tmp_path: Path, behaviour: Behaviour) -> None:
    with Cdn(behaviour) as cdn:
        bench = Bench(tmp_path, cdn.base_url, send=CdnSender(user_agent="tests", ask_seconds=0.2).send)
        bench.purge.add(badges(50))
        bench.send()

        assert bench.status.waiting == 50
        assert bench.status.error == "the CDN could not be reached: it does not answer"
        assert len(cdn.received) < 10


def test_sending_ends_when_the_time_for_all_is_up(tmp_path: Path, cdn: Cdn) -> None:
    asks = PurgeMethod(cdn.base_url).asks(["/a", "/b"], BASE_URL)

    assert CdnSender(user_agent="tests", all_seconds=-1).send(asks, lambda *_: None) == Sent()


def test_what_the_time_did_not_suffice_for_is_sent_next(tmp_path: Path) -> None:
    turns: list[list[str]] = []

    def send(asks: Sequence[Any], _: object) -> Sent:
        turns.append([ask.paths[0] for ask in asks])
        return Sent(granted=set(turns[-1][:2]))

    bench = Bench(tmp_path, "http://cdn.test", send=send)
    bench.purge.add(["a", "b", "c"])
    bench.send()

    assert turns == [["/a", "/b", "/c"], ["/c"]]


def test_no_more_than_four_requests_run_at_once(tmp_path: Path) -> None:
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
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add(badges(12))
        bench.send()

        assert (most, len(cdn.received), bench.status.waiting) == (4, 12, 0)


def test_only_what_failed_is_tried_again(tmp_path: Path) -> None:
    def refuse_one(handler: Any) -> None:
        Answer(503 if handler.path == f"/{BADGE}" else 200)(handler)

    with Cdn(refuse_one) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([*badges(20), BADGE])
        bench.send()
        assert (len(cdn.received), bench.waiting) == (21, [f"/{BADGE}"])

        bench.send(timedelta(seconds=5))
        assert cdn.asked[21:] == [f"PURGE /{BADGE}"]


def test_a_url_that_always_fails_does_not_slow_down_the_others(tmp_path: Path) -> None:
    def refuse_one(handler: Any) -> None:
        Answer(503 if handler.path == f"/{BADGE}" else 200)(handler)

    with Cdn(refuse_one) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        for number in range(20):
            bench.purge.add([f"badges/{number}.svg"])
            bench.send(timedelta(seconds=5))

        assert bench.status.next_try_at == bench.time + timedelta(seconds=5)
        assert {f"PURGE /badges/{number}.svg" for number in range(20)} <= set(cdn.asked)


def test_a_cdn_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    with Cdn(Answer(429, {"Retry-After": "300"}), Answer(200)) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        bench.send()
        bench.purge.add(["badges/other.svg"])
        bench.send(timedelta(seconds=299))
        assert len(cdn.received) == 1

        bench.send(timedelta(seconds=1))
        assert bench.status == Status(0)


def test_a_cdn_that_is_down_is_asked_ever_more_rarely(tmp_path: Path) -> None:
    bench, delays = Bench(tmp_path, "http://cdn.test", send=fail), []
    bench.purge.add([BADGE])
    for _ in range(10):
        bench.send()
        assert bench.status.next_try_at
        delays.append((bench.status.next_try_at - bench.time).total_seconds())
        bench.time = bench.status.next_try_at

    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]




def test_what_waited_for_a_day_is_given_up_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, "http://cdn.test", send=fail)
    bench.purge.add(badges(3))
    while bench.time < START + 2 * DAY:
        bench.send(QUARTER)

    dropped = [message for message in caplog.messages if "dropped" in message]
    assert dropped == ['event=purge_dropped urls=3 reason="they waited for a day"']
    assert len(caplog.messages) < 110
    assert (bench.status.waiting, bench.status.error) == (0, "the CDN answered with status 500")


def test_purging_goes_on_after_the_cdn_was_down_for_long(tmp_path: Path, cdn: Cdn) -> None:
    down = Bench(tmp_path, "http://cdn.test", send=fail)
    down.purge.add(["badges/old.svg"])
    while down.time < START + 2 * DAY:
        down.send(QUARTER)
    down.purge.add([BADGE])

    bench = Bench(tmp_path, cdn.base_url)
    bench.send(down.time - START + QUARTER)
    assert (cdn.asked, bench.status) == ([f"PURGE /{BADGE}"], Status(0))


def test_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path, cdn: Cdn) -> None:
    fast = Bench(tmp_path, "http://cdn.test", send=fail)
    fast.time += 100 * DAY
    fast.purge.add([BADGE])
    fast.send()

    bench = Bench(tmp_path, cdn.base_url)
    bench.send()
    assert (cdn.asked, bench.status) == ([f"PURGE /{BADGE}"], Status(0))


def test_a_failure_that_goes_on_beside_what_works_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def send(asks: Sequence[Any], _: object) -> Sent:
        return Sent({ask.paths[0] for ask in asks} - {f"/{BADGE}"}, fail().failures)

    bench = Bench(tmp_path, "http://cdn.test", send=send)
    bench.purge.add([BADGE])
    for number in range(5):
        bench.purge.add([f"badges/{number}.svg"])
        bench.send(timedelta(seconds=5))

    assert [message for message in caplog.messages if "failed" in message] == [
        'event=purge_failed error="the CDN answered with status 500" failures=1'
    ]


def test_cloudflare_is_sent_whole_urls_with_the_token(tmp_path: Path) -> None:
    with Cdn(GRANTED) as cdn:
        bench = cloudflare(tmp_path, cdn)
        bench.purge.add([BADGE, "index.html"])
        bench.send()

        (received,) = cdn.received
        assert received.path == f"/client/v4/zones/{ZONE}/purge_cache"
        assert (received.headers["Authorization"], received.headers["Content-Type"]) == (
            f"Bearer {TOKEN}",
            "application/json",
        )
        assert cdn.bodies == [{"files": [f"{BASE_URL}/{BADGE}", f"{BASE_URL}/index.html", f"{BASE_URL}/"]}]


def test_cloudflare_is_asked_for_at_most_thirty_urls_at_once(tmp_path: Path) -> None:
    with Cdn(GRANTED) as cdn:
        bench = cloudflare(tmp_path, cdn)
        bench.purge.add(badges(95))
        bench.send()

        assert sorted(len(body["files"]) for body in cdn.bodies) == [5, 30, 30, 30]
        assert sorted(url for body in cdn.bodies for url in body["files"]) == sorted(
            f"{BASE_URL}/{path}" for path in badges(95)
        )
        assert bench.status == Status(0)


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
    tmp_path: Path, caplog: pytest.LogCaptureFixture, behaviour: Behaviour, error: str
) -> None:
    with Cdn(behaviour, GRANTED) as cdn:
        bench = cloudflare(tmp_path, cdn)
        bench.purge.add([BADGE])
        bench.send()
        assert (bench.status.waiting, bench.status.error) == (1, error)

        bench.send(timedelta(seconds=5))
        assert bench.status == Status(0)
        assert TOKEN not in caplog.text + "".join(map(str, (bench.status, bench.purge.status())))


def test_no_token_is_kept_on_disk_or_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Cdn(Answer(403, {}, DENIED)) as cdn:
        bench = cloudflare(tmp_path, cdn)
        bench.purge.add(badges(40))
        bench.send()

    bench.send(timedelta(seconds=5))
    assert TOKEN not in caplog.text
    assert not any(TOKEN in file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_of_too_much_for_purge_requests_the_oldest_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, "http://cdn.test")
    for number in range(11):
        bench.time += timedelta(seconds=1)
        bench.purge.add(badges(1000, str(number)))

    assert {path.split(":")[0] for path in bench.waiting} == {f"/badges/image/{number}" for number in range(2, 11)}
    assert caplog.messages == ['event=purge_dropped urls=2000 reason="newer ones wait, too many for all"']


def test_of_too_much_for_cloudflare_one_request_for_everything_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Cdn(GRANTED) as cdn:
        bench = cloudflare(tmp_path, cdn)
        bench.purge.add(badges(10_001))
        bench.purge.add([BADGE])
        assert set(bench.waiting) == {EVERYTHING, f"/{BADGE}"}
        assert caplog.messages == ['event=purge_dropped urls=10001 reason="everything is to be forgotten instead"']

        bench.send()
        assert (cdn.bodies, bench.status) == ([{"purge_everything": True}], Status(0))


def test_a_request_for_everything_is_dropped_by_a_cdn_that_cannot_do_that(tmp_path: Path, cdn: Cdn) -> None:
    PurgeQueue(tmp_path).add([EVERYTHING], START)
    bench = Bench(tmp_path, cdn.base_url)
    bench.purge.add([BADGE])
    bench.send()

    assert (cdn.asked, bench.status) == ([f"PURGE /{BADGE}"], Status(0))


@pytest.mark.parametrize("content", ["mañana", "", "7", "[7]", '["/badg'])
def test_a_batch_that_was_damaged_keeps_no_other_from_being_purged(
    bench: Bench, cdn: Cdn, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    bench.purge.add(badges(3))
    (file,) = (bench.folder / "waiting").iterdir()
    file.write_text(content)
    bench.purge.add([BADGE])
    bench.send()

    assert (cdn.asked, bench.status) == ([f"PURGE /{BADGE}"], Status(0))
    assert 'event=purge_dropped urls=3 reason="their file is damaged"' in caplog.messages


@pytest.mark.parametrize("content", ["mañana", "", "[]", "{}", '{"error": "x", "failures": 1, "next_try_at": "never"}'])
def test_a_note_of_trouble_that_was_damaged_is_ignored(bench: Bench, cdn: Cdn, content: str) -> None:
    bench.purge.add([BADGE])
    (bench.folder / "trouble.json").write_text(content)
    bench.send()

    assert (len(cdn.asked), bench.status) == (1, Status(0))


def test_trouble_is_remembered_as_it_was(tmp_path: Path) -> None:
    trouble = Trouble("mañana", 3, START)
    PurgeQueue(tmp_path).note(trouble)

    assert PurgeQueue(tmp_path).trouble() == trouble


def test_a_queue_that_cannot_be_used_keeps_nothing_from_being_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, "http://cdn.test")
    (tmp_path / "waiting").write_text("no folder")
    bench.purge.add([BADGE])
    bench.send()

    assert caplog.messages == [
        'event=purge_not_kept urls=1 error="Not a directory"',
        'event=purge_state_not_read error="Not a directory"',
    ]
    assert bench.status == Status(0, "its state cannot be read: Not a directory")


def test_what_breaks_while_it_is_sent_is_a_failure_like_any_other(tmp_path: Path, cdn: Cdn) -> None:
    def refusal(*_: object) -> str:
        raise RuntimeError("broken on purpose")

    sent = CdnSender(user_agent="tests").send(PurgeMethod(cdn.base_url).asks(["/"], BASE_URL), refusal)
    assert sent == Sent(failures=[Failure("asking the CDN broke, see the log")])


def test_adding_waits_for_nobody(tmp_path: Path) -> None:
    with Cdn(hang) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        bench.purge.purge_due()
        cdn.wait_for(1)
        bench.purge.add(["badges/other.svg"])
        bench.purge.purge_due()

        assert bench.status.waiting == 2
        cdn.release()
        bench.purge.wait()


def test_what_is_added_while_others_are_sent_is_sent_too(tmp_path: Path) -> None:
    with Cdn(hang, Answer(200)) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        bench.purge.add([BADGE])
        bench.purge.purge_due()
        cdn.wait_for(1)
        bench.purge.add(["badges/other.svg"])
        bench.purge.purge_due()
        cdn.release()
        bench.purge.wait()
        bench.send(timedelta(seconds=5))

        assert set(cdn.asked) == {f"PURGE /{BADGE}", "PURGE /badges/other.svg"}
        assert bench.status == Status(0)


def process(folder: Path, url: str, *words: str) -> "subprocess.Popen[bytes]":
    """Return a process that did, or is ready to do, what the words say."""
    command = [sys.executable, "-c", WORK_AND_WAIT, str(folder), url, *words]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert started.stdout
    assert started.stdout.readline() == b"ready\n"
    return started


def begin(started: "subprocess.Popen[bytes]") -> None:
    assert started.stdin
    started.stdin.write(b"\n")
    started.stdin.flush()


def test_what_was_added_by_a_process_that_was_killed_is_purged(bench: Bench, cdn: Cdn) -> None:
    with process(bench.folder, cdn.base_url, "add") as adder:
        adder.kill()
    assert cdn.received == []

    bench.send()
    assert (cdn.asked, bench.status) == (["PURGE /badges/image/a/b.svg"], Status(0))


def test_what_a_process_was_sending_when_it_was_killed_is_sent_again(tmp_path: Path) -> None:
    with Cdn(hang, Answer(200)) as cdn:
        bench = Bench(tmp_path, cdn.base_url)
        with process(tmp_path, cdn.base_url, "add", "purge") as sender:
            begin(sender)
            cdn.wait_for(1)
            sender.kill()
        bench.send()

        assert (cdn.asked, bench.status) == (["PURGE /badges/image/a/b.svg"] * 2, Status(0))


def test_processes_that_purge_at_once_send_each_url_once(bench: Bench, cdn: Cdn) -> None:
    bench.purge.add(badges(200))
    started = [process(bench.folder, cdn.base_url, "purge") for _ in range(3)]
    for sender in started:
        begin(sender)
    for sender in started:
        sender.communicate(timeout=DEADLINE_SECONDS)
    bench.send()

    assert sorted(cdn.asked) == sorted(f"PURGE /{path}" for path in badges(200))


def test_threads_that_add_at_once_lose_nothing(bench: Bench, cdn: Cdn) -> None:
    def add(number: int) -> None:
        for path in badges(20, str(number)):
            bench.purge.add([path])
            bench.purge.purge_due()

    threads = [threading.Thread(target=add, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.send()
    wait_until(lambda: bench.status == Status(0), "an empty queue", DEADLINE_SECONDS)

    assert set(cdn.asked) == {f"PURGE /{path}" for number in range(4) for path in badges(20, str(number))}
