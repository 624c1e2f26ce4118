"""SQLite files: what errors mean, who may read the files, and how a damaged database is rescued.

A database is a file with two companions: the write-ahead log, which holds the latest transactions, and the index of
that log. https://www.sqlite.org/wal.html
"""

import os
import sqlite3
import stat
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

from sqlalchemy import TableClause, column, select, table
from sqlalchemy.exc import DBAPIError

from microbadger.logs import EventLog
from microbadger.store.connections import Connections
from microbadger.store.files import PRIVATE_MODE, set_aside, stamp_of
from microbadger.store.tables import CHECKS, LEASES, SCHEMA

log = EventLog(__name__)

_LOG, _LOG_INDEX, _JOURNAL = "-wal", "-shm", "-journal"
_ROWS_AT_ONCE = 1000
_OF_OTHERS = 0o077

BUSY = "another program has locked it; end that program"
READ_ONLY = "it is read-only; make the file and its folder writable"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_SHORT_READ}
_RULES = {sqlite3.SQLITE_CONSTRAINT_TRIGGER, sqlite3.SQLITE_CONSTRAINT_CHECK}
_PASSING = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN),
}
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk is full or broken; free some space, or check the disk",
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: "it cannot be opened; make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; make the path a file, and the file and its folder writable",
}


def is_damage(error: Exception) -> bool:
    """Return whether an error says that the file of a database, or its log, is damaged."""
    return _code_of(error) in _DAMAGED or _extended_code_of(error) in _DAMAGED


def is_passing(error: Exception) -> bool:
    """Return whether a connection can be used again once the cause of an error is gone."""
    return _code_of(error) in _PASSING and not is_damage(error)


def is_loss(error: Exception) -> bool:  # noqa: ARG001 - as in `microbadger.store.postgresql`
    """Return False: single tables do not disappear from a file, which is lost only as a whole."""
    return False


def is_rule_of_others(error: Exception) -> bool:
    """Return whether a trigger or a check constraint rejected a row. The guards of this program never do."""
    return _extended_code_of(error) in _RULES


def reason_for(error: Exception) -> str:
    """Return in a few words why the database cannot be used, and what to do."""
    if is_damage(error):
        return "it is damaged, and will be set aside; try again"
    original = getattr(error, "orig", error)
    return _REASONS.get(_code_of(error)) or str(original).partition("\n")[0] or type(original).__name__


reason_in_public_for = reason_for


def log_inode_of(file: Path) -> int | None:
    """Return the inode number of the current log of a database, or None if there is no log."""
    stamp = stamp_of(log_of(file))
    return stamp.inode if stamp else None


def log_of(file: Path) -> Path:
    """Return the path of the log of a database. The file exists while a process has the database open."""
    return _companion(file, _LOG)


def close_to_others(file: Path) -> list[Path]:
    """Remove other users' access to a database and its companions. Return the files to which they had access."""
    opened = [path for path in (file, *(_companion(file, suffix) for suffix in (_LOG, _LOG_INDEX))) if _is_open(path)]
    for path in opened:
        path.chmod(PRIVATE_MODE)
    return opened


def is_read_only(file: Path) -> bool:
    """Return whether a database or one of its companions exists and this process may not read and write it."""
    paths = (file, *(_companion(file, suffix) for suffix in (_LOG, _LOG_INDEX)))
    return any(os.access(path, os.F_OK) and not os.access(path, os.R_OK | os.W_OK) for path in paths)


def _is_open(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISREG(mode) and bool(mode & _OF_OTHERS)


def remove_log(file: Path) -> None:
    """Remove the log of a database whose file is gone, and the index of the log."""
    for suffix in (_LOG, _LOG_INDEX):
        _companion(file, suffix).unlink(missing_ok=True)


def remove_database(file: Path) -> None:
    """Remove a database that has no log, and the rollback journal that it has instead."""
    for path in (file, _companion(file, _JOURNAL)):
        path.unlink(missing_ok=True)


def copy_database(file: Path, copy: Path) -> None:
    """Copy a database, including its log, to a new file. Others can use it meanwhile. Raises sqlite3.Error."""
    with (
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def set_aside_with_log(file: Path) -> None:
    """Set a damaged database aside, together with its log, which may hold rows that the file has lost."""
    aside = set_aside(file)
    if aside:
        for suffix in (_LOG, _LOG_INDEX):
            with suppress(FileNotFoundError):
                _companion(file, suffix).replace(_companion(aside, suffix))
    else:
        remove_log(file)


def carry_over(sources: Sequence[Connections], target: Connections) -> None:
    """Copy the rows of a damaged database that can still be read, table by table, to a new one.

    All sources are connections to the damaged database. One may still have rows in its cache that another cannot read.
    Raises the errors of the target.
    """
    count, damaged = 0, []
    for name, described in SCHEMA.tables.items():
        plain = table(name, *(column(each.name) for each in described.columns))  # without types: values may be damaged
        failures: list[Exception] = []
        for source in sources:
            with closing(_rows_of(plain, source, failures)) as rows:
                while some := list(islice(rows, _ROWS_AT_ONCE)):
                    with target.transaction("write") as connection:
                        count += connection.execute(plain.insert().prefix_with("OR IGNORE"), some).rowcount
        if len(failures) == len(sources):
            damaged.append(name)
    if damaged:
        with target.transaction("write") as connection:
            # Without these rows, each image is checked like a new one, so what is missing is found. Checks that have
            # already begun cannot write their results.
            for described in (CHECKS, LEASES):
                connection.execute(described.delete())
    log.warning("database_carried_over", rows=count, damaged_tables=",".join(damaged) or None)


def _rows_of(
    plain: TableClause, source: Connections, failures: list[Exception]
) -> Generator[dict[str, object], None, None]:
    """Yield the rows of a table up to the first one that cannot be read, and add its error to ``failures``."""
    try:
        with source.transaction("read") as connection:
            for row in connection.execute(select(plain)).mappings():
                yield dict(row)
    except (DBAPIError, sqlite3.Error) as error:
        failures.append(error)


def _code_of(error: Exception) -> int:
    return _extended_code_of(error) & 0xFF


def _extended_code_of(error: Exception) -> int:
    """Return the extended code of an SQLite error, or 0 for other errors. https://www.sqlite.org/rescode.html"""
    return int(getattr(getattr(error, "orig", error), "sqlite_errorcode", 0))


def _companion(file: Path, suffix: str) -> Path:
    return file.with_name(f"{file.name}{suffix}")
