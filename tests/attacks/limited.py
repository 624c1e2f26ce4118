"""The service in a process whose threads a test can limit: the first signal for real time does, the second lifts it."""

import resource
import signal

from app import serve

__all__ = ["serve"]

_BEFORE, _MOST = resource.getrlimit(resource.RLIMIT_NPROC)


def _limit(number: int, _frame: object) -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (1 if number == signal.SIGRTMIN else _BEFORE, _MOST))


for _number in (signal.SIGRTMIN, signal.SIGRTMIN + 1):
    signal.signal(_number, _limit)
