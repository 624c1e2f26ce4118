"""Starts threads beside those that serve. A machine may allow a process no more of them at any moment."""

import threading
from collections.abc import Callable

from microbadger.http.errors import NoThread
from microbadger.logs import EventLog

log = EventLog(__name__)


def start_thread(name: str, work: Callable[..., object], *arguments: object) -> threading.Thread:
    """Start a thread that keeps no process from ending, and return it. Raises NoThread where none can be started."""
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        log.warning("thread_not_started", name=name, error=error)
        raise NoThread from error
    return thread
