"""Starts background threads. That can fail at any time, because the system limits the threads of a process."""

import threading
from collections.abc import Callable

from microbadger.http.errors import NoThread
from microbadger.logs import EventLog

log = EventLog(__name__)


def start_thread(name: str, work: Callable[..., object], *arguments: object) -> threading.Thread:
    """Start and return a daemon thread. Raises NoThread if the system allows no more threads."""
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        log.warning("thread_not_started", name=name, error=error)
        raise NoThread from error
    return thread
