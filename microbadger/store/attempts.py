"""Lets one thread at a time attempt something. If it fails, the threads that waited for it can fail with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class FailedMeanwhile(Exception):
    """The attempt that this thread waited for has failed with ``error``."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class NoTurn(Exception):
    """Another thread did not finish its attempt in time."""


class Attempts:
    """Attempts at something that only one thread at a time may try.

    A lock would make each of many threads try and fail, one after the other. A lock is also unfair: later threads can
    repeatedly overtake one that waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_running = False
        self._failure: Exception | None = None

    @contextmanager
    def turn(self, seconds: float | None = None, shared: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Let this thread try within the block, as soon as no other thread tries.

        If the block raises a ``shared`` error, all threads that wait for it raise FailedMeanwhile. Raises NoTurn if the
        other threads take longer than ``seconds``.
        """
        with self._changed:
            before = self._failure
            if not self._changed.wait_for(lambda: not self._is_running or self._failure is not before, seconds):
                raise NoTurn
            if self._failure and self._failure is not before:
                raise FailedMeanwhile(self._failure)
            self._is_running = True
        try:
            yield
        except shared as error:
            self._failure = error
            raise
        finally:
            with self._changed:
                self._is_running = False
                self._changed.notify_all()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Wait until no thread tries. No thread begins to try within the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_running)
            yield
