"""Connections of psycopg with a timeout. Only this module needs psycopg, which is optional."""

from collections.abc import Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow

from microbadger.store.patience import is_in_haste, is_too_late, time_left

_INTERVAL_SECONDS = 0.1
_CONNECT_SECONDS_IN_HASTE = 2  # the minimum of libpq

T = TypeVar("T")


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed if the server does not answer in time.

    The server's own timeouts do not help if the server hangs or the network drops packets.
    """

    answer_seconds = 0.0
    """How long to wait for an answer; 0 means forever."""

    def wait(self, gen: PQGen[T], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> T:
        """Wait for an answer. Close the connection and raise OperationalError if it takes too long."""
        if timeout or not self.answer_seconds:
            return super().wait(gen, interval, timeout)
        seconds = time_left(self.answer_seconds)
        try:
            return super().wait(gen, min(interval, seconds), seconds)
        except _WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"it has not answered for {seconds:.1f} seconds") from error


def connect(options: Mapping[str, Any]) -> PatientConnection:
    """Return a connection in autocommit mode, without prepared statements.

    Behind a pooler, the next transaction may use another server connection, which lacks the prepared statements. Every
    error is an OperationalError, even for an invalid address, because no statement is at fault.
    """
    if is_too_late():
        raise psycopg.OperationalError("it has not answered in time")
    if is_in_haste():
        options = {**options, "connect_timeout": _CONNECT_SECONDS_IN_HASTE}
    try:
        connection: PatientConnection = PatientConnection.connect(**options, autocommit=True, prepare_threshold=None)
    except (ValueError, psycopg.ProgrammingError) as error:
        raise psycopg.OperationalError(f"its address cannot be used: {error}") from error
    return connection


def check_options(options: Mapping[str, str]) -> None:
    """Raise ValueError if libpq does not know one of the options, or if a value is invalid."""
    try:
        make_conninfo(**options)
    except psycopg.ProgrammingError as error:
        raise ValueError(str(error).strip().partition("\n")[0]) from None
