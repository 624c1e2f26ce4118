"""Processes that tests start, and that must not outlive them, however the tests end."""

from pathlib import Path

ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: the kernel kills its process when the thread that started it ends, also if pytest is killed."""


def children_of(process: int) -> list[int]:
    """Return the processes that the main thread of another one has started."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
