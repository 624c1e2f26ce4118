"""Lines of the log: one per event, whatever is in the values, with the ids of what they belong to."""

import io
import logging
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.logs.events import (
    EventLog,
    LineFormatter,
    also,
    current_id,
    identified,
    is_id,
    line,
    new_id,
    work,
    work_seconds,
)
from microbadger.logs.redaction import Redaction
from tests.logfmt import parse
from tests.readme import GUIDE

KEYS = st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True)
HOSTILE = [
    "mañana ☃ \U0001f600",
    "",
    " ",
    "a b",
    'say "no"',
    "back\\slash",
    "a=b",
    "line\nevent=forged",
    "cr\rlf\r\n",
    "\x00\x1b[31m\x7f\x85\u2028\u202e",
    "\ud800",
    "null",
    "x" * 900,
]


class Written:
    """A log of its own and the lines that were written to it."""

    def __init__(self, name: str, *secrets: str) -> None:
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(LineFormatter(Redaction(secrets)))
        self.logger = logging.Logger(name)
        self.logger.addHandler(handler)
        self.log = EventLog(name)
        self.log._log = self.logger

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    @property
    def last(self) -> dict[str, str]:
        """The fields of the last line but for its time."""
        fields = parse(self.lines[-1])
        del fields["time"]
        return fields


@pytest.fixture
def written() -> Written:
    return Written("tests")


def test_a_line_says_when_how_grave_and_what() -> None:
    told = {"created": 1795654921.4567, "levelname": "WARNING", "name": "other", "msg": "mañana"}

    assert LineFormatter().format(logging.makeLogRecord(told)) == (
        'time=2026-11-26T01:02:01.456Z level=warning event=log logger=other message="ma\\u00f1ana"'
    )


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_any_value_is_one_word_of_one_line(written: Written, value: str) -> None:
    written.log.info("refreshed", image=value, tags=3)

    assert len(written.lines) == 1
    assert written.last == {"level": "info", "event": "refreshed", "image": value, "tags": "3"}


@given(st.dictionaries(KEYS, st.text(max_size=80), min_size=1, max_size=8))
def test_a_line_reads_back_as_it_was_meant(fields: dict[str, str]) -> None:
    written = line(fields.items())

    assert written.isascii()
    assert written.isprintable()
    assert parse(written) == fields


@given(st.dictionaries(KEYS, st.text() | st.text(st.sampled_from("\x00\U0001f600"), min_size=500), min_size=1))
def test_a_line_is_bounded_and_still_one(fields: dict[str, str]) -> None:
    written = Written("tests")
    with work(request=new_id()):
        try:
            raise ValueError("".join(fields.values()))
        except ValueError:
            written.log.exception("broke", **{f"x_{key}": value for key, value in fields.items()})

    assert len(written.lines) == 1
    assert len(written.lines[0]) <= 4095
    assert {"time", "level", "event", "request", "traceback"} <= parse(written.lines[0]).keys()


@pytest.mark.parametrize(
    ("value", "told"),
    [("ñ" * 2000, "ñ" * 165 + "..."), ("x" * 1001, "x" * 995 + "..."), ("x" * 1000, "x" * 1000)],
    ids=["escaped", "too long", "just not too long"],
)
def test_a_long_value_is_cut_and_says_so(value: str, told: str) -> None:
    assert parse(line([("error", value)])) == {"error": told}


@pytest.mark.parametrize(("value", "told"), [(True, "true"), (0, "0"), (0.125, "0.125")])
def test_values_that_are_no_texts_are_plain_words(value: object, told: str) -> None:
    assert line([("value", value)]) == f"value={told}"


def test_what_is_not_known_is_left_out(written: Written) -> None:
    written.log.info("refreshed", image="example/web", error=None)

    assert written.last == {"level": "info", "event": "refreshed", "image": "example/web"}


def test_what_libraries_say_comes_in_the_same_form() -> None:
    written = Written("gunicorn.error")
    written.logger.warning("Worker (pid:%s) was\nsent %s!", 7, "SIGTERM")

    told = {"event": "log", "logger": "gunicorn.error", "message": "Worker (pid:7) was\nsent SIGTERM!"}
    assert written.last == {"level": "warning", **told}


def test_a_message_whose_arguments_do_not_fit_is_told_as_it_is() -> None:
    record = logging.makeLogRecord({"name": "other", "msg": "100% %s %s", "args": ("one",)})

    assert parse(LineFormatter().format(record))["message"] == "100% %s %s"


def test_a_traceback_is_one_value_of_which_the_end_is_kept(written: Written) -> None:
    def deep(level: int) -> None:
        if not level:
            raise ValueError("mañana\nevent=forged")
        deep(level - 1)

    try:
        deep(90)
    except ValueError:
        written.log.exception("refresh_broke", image="example/web")

    assert len(written.lines) == 1
    assert written.last["traceback"].endswith("ValueError: mañana\nevent=forged")
    assert (written.last["level"], written.last["image"]) == ("error", "example/web")


def test_lines_bear_the_ids_of_the_work_they_belong_to(written: Written) -> None:
    with work(request="one"):
        with work(refresh="two"):
            also(asked_by="three")
            written.log.info("inner")
        written.log.info("outer")
    written.log.info("none")

    inner, outer, none = map(parse, written.lines)
    assert (inner["request"], inner["refresh"], inner["asked_by"]) == ("one", "two", "three")
    assert (outer["request"], "refresh" in outer, "asked_by" in outer) == ("one", False, False)
    assert "request" not in none


def test_another_thread_does_other_work(written: Written) -> None:
    with work(request="one"):
        thread = threading.Thread(target=written.log.info, args=["elsewhere"])
        thread.start()
        thread.join()

    assert "request" not in written.last


def test_each_call_of_an_identified_function_has_an_id_of_its_own() -> None:
    @identified("refresh")
    def refresh() -> str | None:
        assert 0 <= work_seconds() < 60
        return current_id("refresh")

    first, second = refresh(), refresh()

    assert first != second
    assert is_id(first or "")
    assert current_id("refresh") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("mañana", False), ("", False), ("a b", False), ("a\n", False), ("x" * 65, False), ("a.B_9-" * 10, True)],
)
def test_ids_are_words(text: str, expected: bool) -> None:
    assert is_id(text) is expected


OTHERS = """
import logging, sys, threading
from microbadger.logs.events import LineFormatter, log_to_stdout
from microbadger.logs.redaction import Redaction

other = logging.getLogger("gunicorn.error")
other.propagate = False
other.addHandler(logging.StreamHandler(sys.stderr))
for secrets in ([], ["the secret"]):
    log_to_stdout(LineFormatter(Redaction(secrets)), ["gunicorn.error"])
logging.error("root")
other.error("ma\u00f1ana")
threading.Thread(target=int, args=["the secret"], name="ma\u00f1ana").start()
"""


def test_all_that_is_logged_goes_to_standard_output_as_lines_once() -> None:
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, timeout=30, check=True)

    root, other, thread = map(parse, done.stdout.splitlines())
    assert (root["message"], other["message"], thread["event"]) == ("root", "mañana", "thread_broke")
    assert thread["thread"] == "mañana"
    assert thread["traceback"].endswith("'[hidden]'")
    assert done.stderr == ""


def test_the_lines_in_the_guide_are_such_lines() -> None:
    lines = [parse(line) for line in GUIDE["monitoring"].text.splitlines() if line.startswith("time=")]

    assert [line["event"] for line in lines] == ["webhook", "refreshed", "refresh_failed"]
    assert lines[0]["request"] == lines[1]["asked_by"]
