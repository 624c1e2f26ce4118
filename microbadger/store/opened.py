"""What the databases of this process have open, so that all of it is closed before the process forks.

The list holds it, not each database: the garbage collector would close what a database held, also while another thread
forks.
"""

from dataclasses import dataclass
from weakref import ref

from microbadger.store.connections import Connections
from microbadger.store.files import FileStamp
from microbadger.store.forks import ForkGate

NO_FILE = FileStamp(0, 0, 0)


@dataclass(eq=False, slots=True)
class Opened:
    """Connections to a database and, for a file, the stamp by which a change of it is noticed."""

    connections: Connections
    stamp: FileStamp = NO_FILE
    log_inode: int | None = None
    is_damaged: bool = False
    is_usable: bool = True

    def is_of(self, stamp: FileStamp | None) -> bool:
        """Return whether these connections are to the file with this stamp."""
        return stamp is not None and stamp.inode == self.stamp.inode

    def has_lost(self, stamp: FileStamp) -> bool:
        """Return whether the file with this stamp is damaged: found so, or cut.

        Only a VACUUM shortens a file that is in order; then everything is carried over.
        """
        return self.is_of(stamp) and (self.is_damaged or stamp.size_bytes < self.stamp.size_bytes)


OPENED: "dict[ref[object], Opened]" = {}
"""What each database has open."""


def close_forgotten() -> None:
    """Close what databases that are gone have left open."""
    for database in list(OPENED):
        if database() is None and (opened := OPENED.pop(database, None)):
            opened.connections.close()


def _close_all() -> None:
    while OPENED:
        _, opened = OPENED.popitem()
        opened.connections.close()


GATE = ForkGate(_close_all)
"""Every use of SQLite is within it."""
