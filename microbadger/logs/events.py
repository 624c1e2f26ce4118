"""Writes one line per event in ``key=value`` form, whatever the values contain.

    time=2026-11-25T01:02:03.456Z level=info event=refreshed image=example/web tags=3 refresh=5f0c1a2b3c4d5e6f

A value that is not a plain word is quoted like a JSON string (https://pkg.go.dev/github.com/go-logfmt/logfmt). A line
is therefore printable ASCII: no tag, label or error can begin a new line or control a terminal. A line has at most 4096
bytes, so that several workers can write to one pipe without mixing their lines (POSIX, `write`, PIPE_BUF). Messages of
libraries are logged in the same form, as ``event=log``.

Every line that is logged during a request or a check includes the id of the request or check.
"""

import json
import logging
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from microbadger.logs.redaction import Redaction

_LONGEST_LINE = 4095  # and a line break
_LONGEST_VALUE = 1000
_LONGEST_TRACEBACK = 2000
_CUT = "..."
_WORD = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII except the quote, the backslash and the equals sign
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

P = ParamSpec("P")
T = TypeVar("T")
Fields = Iterable[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Event:
    """An event to log: a name and fields. Fields whose value is None are left out."""

    name: str
    fields: tuple[tuple[str, object], ...]

    def __str__(self) -> str:
        return line([("event", self.name), *self.fields])


class EventLog:
    """Logs the events of one module."""

    def __init__(self, module: str) -> None:
        self._log = logging.getLogger(module)

    def info(self, event: str, /, **fields: object) -> None:
        """Log that something happened."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log that something outside the service failed."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log a failure that an operator should fix."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Log the exception that is being handled, with its traceback. Use it only for bugs of the service."""
        self._write(logging.ERROR, event, fields, raised=sys.exception())

    def broken_thread(self, broken: threading.ExceptHookArgs) -> None:
        """Log that a thread ended with an exception. It can be the `threading.excepthook`."""
        if broken.exc_type is not SystemExit:
            name = broken.thread.name if broken.thread else None
            self._write(logging.ERROR, "thread_broke", {"thread": name}, raised=broken.exc_value)

    def _write(
        self, level: int, event: str, fields: Mapping[str, object], *, raised: BaseException | None = None
    ) -> None:
        if self._log.isEnabledFor(level):
            self._log.log(level, Event(event, tuple(fields.items())), exc_info=raised)


@dataclass(frozen=True, slots=True)
class _Work:
    """The ids that all lines of a piece of work have, and when the work began."""

    ids: tuple[tuple[str, object], ...] = ()
    begun_at: float = 0


_WORK: ContextVar[_Work] = ContextVar("work", default=_Work())  # noqa: B039 - it is frozen


@contextmanager
def work(**ids: str) -> Iterator[None]:
    """Add these ids to every line that this thread logs within the block."""
    outer = _WORK.set(_Work((*_WORK.get().ids, *ids.items()), time.monotonic()))
    try:
        yield
    finally:
        _WORK.reset(outer)


def identified(kind: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that gives each call a new id of this kind, which is added to every line of the call."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def within_work(*args: P.args, **kwargs: P.kwargs) -> T:
            with work(**{kind: new_id()}):
                return function(*args, **kwargs)

        return within_work

    return decorate


def also(**ids: str) -> None:
    """Add these ids to all further lines of the current work."""
    current = _WORK.get()
    _WORK.set(_Work((*current.ids, *ids.items()), current.begun_at))


def work_seconds() -> float:
    """Return how long the current work has taken so far."""
    return round(time.monotonic() - _WORK.get().begun_at, 3)


def current_id(kind: str) -> str | None:
    """Return the id of this kind that lines have at the moment, or None."""
    return next((str(value) for key, value in _WORK.get().ids if key == kind), None)


def new_id() -> str:
    """Return a new random id."""
    return secrets.token_hex(8)


def is_id(text: str) -> bool:
    """Return whether a text can be an id."""
    return _ID.fullmatch(text) is not None


class LineFormatter(logging.Formatter):
    """Formats a record of this service or of a library as one line."""

    def __init__(self, redaction: Redaction | None = None) -> None:
        super().__init__()
        self._redaction = redaction or Redaction()

    def format(self, record: logging.LogRecord) -> str:
        """Return one line for a record, with its traceback if it has one."""
        fields = [("time", _time(record.created)), ("level", record.levelname.lower()), *self._fields(record)]
        end = "".join(f" {key}={_word(value)}" for key, value in _WORK.get().ids)
        if record.exc_info and record.exc_info[0]:
            traceback = self._redaction.of_foreign(self.formatException(record.exc_info))
            end += f" traceback={_quoted_end(traceback, _LONGEST_TRACEBACK)}"
        return line(fields, _LONGEST_LINE - len(end)) + end

    def _fields(self, record: logging.LogRecord) -> Fields:
        if isinstance(record.msg, Event):
            yield "event", record.msg.name
            for key, value in record.msg.fields:
                yield key, self._without_secrets(value)
        else:
            yield "event", "log"
            yield "logger", record.name
            yield "message", self._redaction.of_foreign(_message(record))

    def _without_secrets(self, value: object) -> object:
        if value is None or isinstance(value, int | float):
            return value
        # The message of any exception may come from a library, even if its type is a built-in one such as OSError.
        redact = self._redaction.of_foreign if isinstance(value, BaseException) else self._redaction.of
        return redact(str(value))


def log_to_stdout(formatter: logging.Formatter, others: Iterable[str] = ()) -> None:
    """Log to standard output, including the loggers named in ``others``, which have handlers of their own."""
    threading.excepthook = EventLog(__name__).broken_thread
    logging.raiseExceptions = False  # else logging would print a line that cannot be written, with its secrets
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    for logger in (logging.getLogger(), *map(logging.getLogger, others)):
        for handler in logger.handlers:
            adopt(handler, formatter)


def adopt(handler: logging.Handler, formatter: logging.Formatter) -> None:
    """Make a handler use a formatter, and write to standard output instead of standard error."""
    handler.setFormatter(formatter)
    if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
        handler.setStream(sys.stdout)


def line(fields: Fields, longest: int = _LONGEST_LINE) -> str:
    """Return fields as a line without the line break. Fields that do not fit into ``longest`` bytes are left out.

    >>> line([("event", "refreshed"), ("image", "example/web"), ("error", 'no "manifest"')])
    'event=refreshed image=example/web error="no \\\\"manifest\\\\""'
    """
    text = ""
    for key, value in fields:
        if value is None:
            continue
        word = f"{key}={_word(value)}"
        if len(text) + len(word) < longest:
            text += f" {word}" if text else word
    return text


def _word(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST_VALUE and _WORD.fullmatch(text) else _quoted(text, _LONGEST_VALUE)


def _quoted(text: str, limit: int) -> str:
    """Return a text in quotes, or as much of its start as fits into ``limit`` bytes."""
    quoted = f'"{_escaped(text[:limit])}"'
    if len(text) <= limit and len(quoted) <= limit:
        return quoted
    return f'"{_fitting(text[:limit], limit - len(_CUT) - 2)}{_CUT}"'


def _quoted_end(text: str, limit: int) -> str:
    """Return a text in quotes, or as much of its end as fits, because a traceback ends with the error."""
    quoted = f'"{_escaped(text)}"'
    return quoted if len(quoted) <= limit else f'"{_CUT}{_fitting(text, limit - len(_CUT) - 2, from_end=True)}"'


def _fitting(text: str, limit: int, *, from_end: bool = False) -> str:
    parts: list[str] = []
    for character in reversed(text) if from_end else text:
        part = _escaped(character)
        limit -= len(part)
        if limit < 0:
            break
        parts.append(part)
    return "".join(reversed(parts) if from_end else parts)


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")


def _time(timestamp: float) -> str:
    moment = datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # the arguments do not match the placeholders
        return str(record.msg)
