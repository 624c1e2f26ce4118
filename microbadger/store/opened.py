"""The open connections of all databases of this process, which are closed before the process forks.

They are kept here and not in each `Database`. Otherwise the garbage collector could close them together with a
`Database`, even while another thread forks.
"""

from dataclasses import dataclass
from weakref import ref

from microbadger.store.connections import Connections
from microbadger.store.files import FileStamp
from microbadger.store.forks import ForkGate

NO_FILE = FileStamp(0, 0, 0)


@dataclass(eq=False, slots=True)
class Opened:
    """Connections to a database and, for a file, the stamp that shows whether the file has changed."""

    connections: Connections
    stamp: FileStamp = NO_FILE
    log_inode: int | None = None
    is_damaged: bool = False
    is_usable: bool = True

    def is_of(self, stamp: FileStamp | None) -> bool:
        """Return whether these connections are to the file with this stamp."""
        return stamp is not None and stamp.inode == self.stamp.inode

    def has_lost(self, stamp: FileStamp) -> bool:
        """Return whether the file with this stamp is known to be damaged, or was truncated.

        A VACUUM shortens a sound file, too. That is harmless, because all rows are then copied to the new file.
        """
        return self.is_of(stamp) and (self.is_damaged or stamp.size_bytes < self.stamp.size_bytes)


OPENED: "dict[ref[object], Opened]" = {}
"""The open connections of each `Database`."""


def close_forgotten() -> None:
    """Close the connections of each `Database` that no longer exists."""
    for database in list(OPENED):
        if database() is None and (opened := OPENED.pop(database, None)):
            opened.connections.close()


def _close_all() -> None:
    while OPENED:
        _, opened = OPENED.popitem()
        opened.connections.close()


GATE = ForkGate(_close_all)
"""Every use of SQLite happens within this gate."""
