"""A CDN on loopback that answers as it is told, and the purging of it with a clock that a test moves."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from microbadger.cdn.purge import CdnPurge, Send, Status
from microbadger.cdn.queue import PurgeQueue
from microbadger.cdn.sender import CdnSender
from microbadger.cdn.target import Target, parse_target
from tests.fakes.receiver import Behaviour, Received, Receiver

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
BASE_URL = "https://badges.example.org"


class Cdn(Receiver):
    """A receiver that also takes ``PURGE`` requests."""

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__(*behaviours)
        handler = cast(type, self.RequestHandlerClass)
        self.RequestHandlerClass = type("_Handler", (handler,), {"do_PURGE": _take_purge})

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def asked(self) -> list[str]:
        return [received.path for received in self.received]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(received.body) for received in self.received]


def _take_purge(handler: Any) -> None:
    behave = handler.server.take(Received(f"{handler.command} {handler.path}", dict(handler.headers.items()), b""))
    with suppress(OSError):
        behave(handler)


class Bench:
    """The purging of a CDN on loopback, with a clock that a test moves."""

    def __init__(self, folder: Path, url: str, target: Target | None = None, send: Send | None = None) -> None:
        self.folder = folder
        self.time = START
        self.target = target or parse_target(url)
        self.purge = CdnPurge(
            self.target,
            folder,
            base_url=BASE_URL,
            send=send or CdnSender(user_agent="tests", ask_seconds=5, clock=lambda: self.time.timestamp()).send,
            now=lambda: self.time,
        )

    @property
    def status(self) -> Status:
        return self.purge.status()

    @property
    def waiting(self) -> list[str]:
        queue = PurgeQueue(self.folder)
        return [path for batch in queue.batches() for path in queue.read(batch) or []]

    def send(self, later: timedelta = timedelta(0)) -> None:
        self.time += later
        self.purge.purge_due()
        self.purge.wait()
