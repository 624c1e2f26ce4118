"""A CDN on loopback that answers as it is told, and the purging of it without long pauses."""

import json
from contextlib import suppress
from typing import Any, cast

from microbadger.cdn.purge import CdnPurge, Status, Timing
from microbadger.cdn.target import Target, parse_target
from microbadger.http.client import Network
from tests.fakes.receiver import DEADLINE_SECONDS, Behaviour, Received, Receiver
from tests.real_registry import wait_until

BASE_URL = "https://badges.example.org"
PATIENT = Timing(request=5, first_delay=3600, longest_delay=3600, waiting=7200)
"""After a failure, nothing more happens while a test runs."""
HASTY = Timing(request=5, first_delay=0.05, longest_delay=0.1, waiting=10)


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


def purge_of(target: Target | str, timing: Timing = PATIENT) -> CdnPurge:
    """Return the purging of a CDN, given as a target or a URL."""
    target = parse_target(target) if isinstance(target, str) else target
    return CdnPurge(target, Network("tests"), base_url=BASE_URL, timing=timing)


def status_of(purge: CdnPurge) -> Status:
    """Return how the purging of a CDN stands."""
    status = purge.status()
    assert status is not None
    return status


def wait_until_done(purge: CdnPurge) -> None:
    """Return once nothing waits any more."""
    wait_until(lambda: not status_of(purge).waiting, "an empty backlog", DEADLINE_SECONDS)
