"""The database, and whole files."""

from microbadger.store.files import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    append_line,
    lock_file,
    make_folder,
    read_if_any,
    remove_file,
    remove_if_empty,
    replace_file,
    replace_if_other,
    seconds_since_written,
    set_aside,
    stamp_of,
    sweep,
    trouble_with,
    try_lock,
    unlock,
)
from microbadger.store.tables import CHECKS, RECORDS

__all__ = [
    "CHECKS",
    "PRIVATE_MODE",
    "PUBLIC_MODE",
    "RECORDS",
    "append_line",
    "lock_file",
    "make_folder",
    "read_if_any",
    "remove_file",
    "remove_if_empty",
    "replace_file",
    "replace_if_other",
    "seconds_since_written",
    "set_aside",
    "stamp_of",
    "sweep",
    "trouble_with",
    "try_lock",
    "unlock",
]
