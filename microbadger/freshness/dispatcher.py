"""Claims as many checks as this process can begin at once, and hands them to its threads.

The dispatcher looks for requested checks several times a second, including those that another process was asked for. It
looks for due checks every second, and also whenever a check ends and its registry may have more due images.
"""

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from microbadger.freshness.checks import Checks
from microbadger.freshness.claims import Claim, Claims
from microbadger.freshness.outcome import Outcome
from microbadger.freshness.refresh import Refresher
from microbadger.freshness.requests import Requests
from microbadger.freshness.workers import Workers
from microbadger.image import Repository

_POLL_SECONDS = 0.2
_DUE_EVERY_SECONDS = 1.0
_RENEWED_EVERY_SECONDS = 2.0
_TROUBLE_SECONDS = 3.0
_MOST_ASKED = 200
# How long to wait before trying an image again that another process is checking, or whose check cannot begin. The key
# says whether somebody asked for the check.
_PUT_OFF_SECONDS = {True: 1.0, False: 5.0}

T = TypeVar("T")


class Attempt(Protocol):
    """A function that calls ``work`` and returns its result, or logs an expected failure and returns None."""

    def __call__(self, name: str, work: Callable[[], T], /) -> T | None:
        """Call ``work``, with ``name`` as its name in the log."""


class Dispatcher:
    """The thread that hands checks to the other threads of this process; it does nothing until it is started."""

    def __init__(
        self,
        checks: Checks,
        requests: Requests,
        claims: Claims,
        refresher: Refresher,
        attempt: Attempt,
        beat: Callable[[], object],
    ) -> None:
        """Create a dispatcher that calls ``beat`` every few seconds, whatever the other threads do."""
        self._checks = checks
        self._requests = requests
        self._claims = claims
        self._attempt = attempt
        self._beat = beat
        self._work: dict[bool, Callable[[Repository], Outcome | None]] = {
            True: refresher.refresh_requested,
            False: refresher.refresh_if_due,
        }
        self._forget()

    def start(self, asked: Workers, due: Workers) -> None:
        """Begin to hand requested checks to the workers ``asked``, and due checks to the workers ``due``."""
        self._forget()
        self._workers.update({True: asked, False: due})
        threading.Thread(
            target=self._run, args=(self._is_over, self._awake), name="dispatcher", daemon=True
        ).start()

    def stop(self) -> None:
        """Hand out no more checks, and end the claims so that other processes can take the waiting checks."""
        self._is_over.set()
        self._awake.set()
        if self._handing.acquire(timeout=1.0):
            self._handing.release()
            self._attempt("end claims", self._claims.end_all)

    def begin_due(self) -> None:
        """Allow due checks to begin. Call this after untracked images were found, so that none of them is checked."""
        self._may_begin_due.set()

    def wake(self) -> None:
        """Look for requested checks at once."""
        self._awake.set()

    def _forget(self) -> None:
        self._is_over, self._awake = threading.Event(), threading.Event()
        self._may_begin_due = threading.Event()
        self._handing, self._lock = threading.Lock(), threading.Lock()
        self._workers: dict[bool, Workers] = {}
        self._to_end: dict[Claim, float] = {}
        """The claims to end, each with the time (`time.monotonic`) at which to end it."""
        self._with_more: set[str] = set()
        """The registries that may have more due images."""
        self._looked_for_due_at = self._renewed_at = 0.0

    def _run(self, is_over: threading.Event, awake: threading.Event) -> None:
        while not is_over.is_set():
            awake.clear()
            with self._handing:
                is_done = None if is_over.is_set() else self._attempt("begin checks", self._hand_out)
            if is_done is None:
                is_over.wait(_TROUBLE_SECONDS)
            awake.wait(_POLL_SECONDS)

    def _hand_out(self) -> bool:
        self._end_claims()
        self._hand_out_asked()
        now = time.monotonic()
        if now - self._renewed_at > _RENEWED_EVERY_SECONDS:
            self._renewed_at = now
            self._beat()
            self._claims.renew()
        self._hand_out_due(now)
        return True

    def _hand_out_asked(self) -> None:
        asked = self._requests.repositories(_MOST_ASKED)
        if not asked:
            return
        others = self._claims.asked_for()
        by_registry: dict[str, list[Repository]] = {}
        for repository in asked:
            if repository not in others:
                by_registry.setdefault(repository.registry, []).append(repository)
        for registry, repositories in by_registry.items():
            if room := self._workers[True].room(registry):
                for repository in self._claims.take_asked(registry, repositories[:room]):
                    self._put(Claim(repository, is_asked=True))

    def _hand_out_due(self, now: float) -> None:
        with self._lock:
            registries, self._with_more = list(self._with_more), set()
        if not self._may_begin_due.is_set():
            return
        if now - self._looked_for_due_at > _DUE_EVERY_SECONDS:
            self._looked_for_due_at = now
            registries = self._checks.registries_due()
        random.shuffle(registries)  # else the first registry could take all threads every time
        for registry in registries:
            if room := self._workers[False].room(registry):
                for repository in self._claims.take_due(registry, room, self._checks.now().timestamp()):
                    self._put(Claim(repository, is_asked=False))

    def _put(self, claim: Claim) -> None:
        self._workers[claim.is_asked].put(claim.repository.registry, partial(self._check, claim))

    def _check(self, claim: Claim) -> None:
        repository, is_asked = claim
        outcome = None
        try:
            outcome = self._attempt(str(repository), partial(self._work[is_asked], repository))
        finally:
            with self._lock:
                self._to_end[claim] = 0.0 if outcome is not None else time.monotonic() + _PUT_OFF_SECONDS[is_asked]
                if not is_asked:
                    self._with_more.add(repository.registry)
            self._awake.set()

    def _end_claims(self) -> None:
        now = time.monotonic()
        with self._lock:
            over = [claim for claim, ends_at in self._to_end.items() if ends_at <= now]
        self._claims.end(over)
        with self._lock:
            for claim in over:
                del self._to_end[claim]
