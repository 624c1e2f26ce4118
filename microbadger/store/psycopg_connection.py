"""Connections of psycopg that do not wait for ever. This is the one module that needs psycopg, which is optional."""

from collections.abc import Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow

_INTERVAL_SECONDS = 0.1

T = TypeVar("T")


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed if the server has not answered for a while.

    The server's own bounds do not help where the server stands still, or something between swallows what is sent.
    """

    answer_seconds = 0.0
    """How long to wait; 0 for as long as it takes."""

    def wait(self, gen: PQGen[T], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds or None)
        except _WaitTimeout as error:
            if timeout:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"it has not answered for {self.answer_seconds:.0f} seconds") from error


def connect(options: Mapping[str, Any]) -> PatientConnection:
    """Return a connection in which no transaction begins by itself, and no statement is prepared.

    A pooler would give the next transaction another server connection, which does not know the statement. Every error
    is an OperationalError: an address that psycopg does not take is no mistake in a statement.
    """
    try:
        connection: PatientConnection = PatientConnection.connect(**options, autocommit=True, prepare_threshold=None)
    except (ValueError, psycopg.ProgrammingError) as error:
        raise psycopg.OperationalError(f"its address cannot be used: {error}") from error
    return connection


def check_options(options: Mapping[str, str]) -> None:
    """Raise ValueError if libpq does not know one of these options, or its value cannot be."""
    try:
        make_conninfo(**options)
    except psycopg.ProgrammingError as error:
        raise ValueError(str(error).strip().partition("\n")[0]) from None
