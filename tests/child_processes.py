"""Processes that tests start, and that must not outlive them, however the tests end."""

from pathlib import Path

ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: the kernel kills its process when the thread that started it ends, also if pytest is killed."""


def is_running(group: int) -> bool:
    """Return whether a process of a group is alive. gunicorn's master does not wait for the workers that it kills."""
    return any(_is_alive_in(group, folder) for folder in Path("/proc").glob("[0-9]*"))


def _is_alive_in(group: int, folder: Path) -> bool:
    try:
        state, _, its_group, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return its_group == str(group) and state not in ("Z", "X")


def children_of(process: int) -> list[int]:
    """Return the processes that the main thread of another one has started."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
