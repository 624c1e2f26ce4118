"""The folder in which tests keep their files: in memory, where the machine has room for them.

The tests make thousands of databases, each of which waits again and again until a disk has what it wrote.
"""

import os
import shutil
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 3 * 1024**3


def folder_in_memory() -> Path | None:
    """Return a folder in memory that has room, and from which programs can be started; None if there is none."""
    if not os.access(_IN_MEMORY, os.W_OK) or os.statvfs(_IN_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return _IN_MEMORY if shutil.disk_usage(_IN_MEMORY).free >= _NEEDED_BYTES else None
