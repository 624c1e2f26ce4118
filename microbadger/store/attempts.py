"""One attempt at a time, whose failure counts for every thread that waited meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class FailedMeanwhile(Exception):
    """The attempt that this thread waited for has failed, with this error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class NoTurn(Exception):
    """Another thread has not ended its attempt in time."""


class Attempts:
    """Attempts at something that one thread at a time may try.

    With a lock, each of many threads would try in vain after all others. And a lock keeps no order: threads that come
    later can overtake one that waits, again and again.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_running = False
        self._failure: Exception | None = None

    @contextmanager
    def turn(self, seconds: float | None = None, shared: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Let this thread try as soon as no other one does; with a shared error it fails for all that wait for it, too.

        Raises FailedMeanwhile if the attempt of another thread fails so first, and NoTurn after so many seconds.
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
        """Wait until no thread tries; none begins within the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_running)
            yield
