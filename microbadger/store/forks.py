"""Lets a process fork only while no thread is within a transaction, and closes every database before the fork.

A child that inherits an open SQLite connection can damage the file, because it believes that it holds its parent's
locks.
https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_
"""

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType


class ForkGate(AbstractContextManager[None]):
    """A context manager: while a thread is in the block, no other thread can fork.

    A fork waits until every thread has left its block, and new blocks wait until the fork is over. A thread must not
    fork within its own block.
    """

    def __init__(self, before_fork: Callable[[], None]) -> None:
        self._before_fork = before_fork
        self._changed = threading.Condition()
        self._depths: dict[int, int] = {}
        self._is_forking = False
        os.register_at_fork(before=self._shut, after_in_parent=self._open, after_in_child=self._reset)

    def __enter__(self) -> None:
        thread = threading.get_ident()
        with self._changed:
            while self._is_forking and thread not in self._depths:
                self._changed.wait()
            self._depths[thread] = self._depths.get(thread, 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread = threading.get_ident()
        with self._changed:
            self._depths[thread] -= 1
            if not self._depths[thread]:
                del self._depths[thread]
                if self._is_forking:
                    self._changed.notify_all()

    def _shut(self) -> None:
        self._changed.acquire()
        self._is_forking = True
        self._changed.wait_for(lambda: self._depths.keys() <= {threading.get_ident()})
        self._before_fork()

    def _open(self) -> None:
        self._is_forking = False
        self._changed.notify_all()
        self._changed.release()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._depths = {}
        self._is_forking = False
