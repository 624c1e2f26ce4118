"""PostgreSQL: how connections and transactions begin, and what errors mean.

No thread may wait for long, whether a server is gone, a network is cut or another transaction holds a lock. Timeouts
are set in each transaction and not once for the connection, because a pooler such as PgBouncer can give each
transaction another connection.
https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from microbadger.store.ownership import UnknownSchema
from microbadger.store.patience import is_in_haste, is_too_late, patience, time_left
from microbadger.store.postgresql_address import options_of

Kind = Literal["read", "write", "migrate"]

_PSYCOPG = "postgresql+psycopg"
_ENCODING = "UTF8"
_CONNECT_SECONDS = 5
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS; the URL can override them
_CONNECTION = {
    "connect_timeout": str(_CONNECT_SECONDS),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    "application_name": "microbadger",
}
_BOUNDS = (
    "SET LOCAL statement_timeout = '{statement}s'; SET LOCAL lock_timeout = '{lock}s';"
    " SET LOCAL idle_in_transaction_session_timeout = '{idle}s'"
)
_BOUNDS_IN_HASTE = "; SET LOCAL statement_timeout = '{ms:.0f}ms'; SET LOCAL lock_timeout = '{lock_ms:.0f}ms'"
_MIGRATION_SECONDS = 600
_ANY_NUMBER = 20150801  # all processes must use the same

_BEGIN: Mapping[Kind, Sequence[str]] = {
    "read": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; " + _BOUNDS.format(statement=10, lock=5, idle=60),
    ),
    # A server can be configured to answer before a transaction is on its disk.
    "write": (
        "BEGIN; "
        + _BOUNDS.format(statement=10, lock=5, idle=10)
        + "; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
    ),
    "migrate": (
        "BEGIN; " + _BOUNDS.format(statement=0, lock=_MIGRATION_SECONDS, idle=10),
        f"SELECT pg_advisory_xact_lock({_ANY_NUMBER})",
    ),
}
"""The first statement of each kind changes nothing, so it can be tried again on another connection."""

_ANSWER_SECONDS: Mapping[Kind, float] = {"read": 12.0, "write": 12.0, "migrate": _MIGRATION_SECONDS + 2.0}
"""How long to wait for the answer to a statement: longer than the timeouts of the server."""
_BEGIN_SECONDS = 3.0
"""How long to wait for the first answer on a connection that was idle, because the network may have dropped it."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING_STATES = {"55P03", "57014"}
_PASSING_CLASSES = {"40", "53"}
_RULES_OF_OTHERS = {"23514", "P0001"}
_LOST_STATES = {"3F000", "42501", "42P01", "42703"}
_REASONS = {
    "3F000": "its schema is missing; create it",
    "42P01": "its tables are missing and will be created again; try again",
    "42703": "its tables have other columns than this program expects; try again",
    "25006": "it is read-only, as a standby server is; use the primary one",
    "42501": "its user lacks a permission; make the user the owner of the database",
    "53100": "its disk is full; free some space",
    "55P03": "another transaction has locked the same rows or tables; try again",
    "57014": "a statement took too long; try again",
    "40P01": "two transactions waited for each other; try again",
    "40001": "another transaction changed the same rows; try again",
}
_REASONS_OF_CLASSES = {
    "": "it cannot be reached",
    "08": "it cannot be reached",
    "28": "it refuses the login",
    "53": "it has no resources for more connections or work",
    "57": "it is being stopped or started",
}


def begin(connection: Connection, kind: Kind, was_idle: bool) -> bool:
    """Begin a transaction. Return False if the connection was idle and is broken. Raises the driver's errors."""
    driver = connection.connection.driver_connection
    if driver is None:
        return False
    driver.answer_seconds = _BEGIN_SECONDS if was_idle else _ANSWER_SECONDS[kind]
    first, *others = _BEGIN[kind]
    if is_in_haste():
        answer_seconds = time_left(_ANSWER_SECONDS[kind])
        first += _BOUNDS_IN_HASTE.format(ms=1000 * answer_seconds, lock_ms=1000 * patience(answer_seconds))
    try:
        driver.execute(first)
    except connection.dialect.loaded_dbapi.OperationalError:
        driver.close()
        if was_idle and not is_too_late():
            return False
        raise
    driver.answer_seconds = _ANSWER_SECONDS[kind]
    for statement in others:
        driver.execute(statement)
    return True


def engine_of(address: URL) -> Engine:
    """Return an engine for a PostgreSQL server. It uses psycopg, as the URLs of hosting platforms name no driver."""
    from microbadger.store.psycopg_connection import connect  # psycopg is optional

    options = {**_CONNECTION, **options_of(address), "client_encoding": _ENCODING.lower()}
    return create_engine(
        address.set(drivername=_PSYCOPG),
        creator=lambda: connect(options),
        poolclass=NullPool,
        pool_reset_on_return=None,  # resetting a broken connection would fail
        use_native_hstore=False,
    )


def check_encoding(connection: Connection) -> None:
    """Raise UnknownSchema if the encoding of a database cannot store every text."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != _ENCODING:
        raise UnknownSchema(f"its encoding is {encoding}; use a database that was created with ENCODING '{_ENCODING}'")


def is_passing(error: Exception) -> bool:
    """Return whether a connection can still be used after an error."""
    state = state_of(error)
    return state in _PASSING_STATES or state[:2] in _PASSING_CLASSES


def is_loss(error: Exception) -> bool:
    """Return whether a statement failed because the tables are gone or may no longer be used."""
    return state_of(error) in _LOST_STATES


def is_rule_of_others(error: Exception) -> bool:
    """Return whether a trigger or a check constraint rejected a row. This program has none in PostgreSQL."""
    return state_of(error) in _RULES_OF_OTHERS


def reason_for(error: Exception) -> str:
    """Return in a few words why the database cannot be used, and what to do."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return _REASONS.get(state_of(error)) or str(original).strip().partition("\n")[0] or type(original).__name__


def reason_in_public_for(error: Exception) -> str:
    """Return the same for the public, without the server's own words, which can name hosts, users and databases."""
    state = state_of(error)
    return _REASONS.get(state) or _REASONS_OF_CLASSES.get(state[:2]) or "it refuses a statement; the log says why"


def state_of(error: Exception) -> str:
    """Return the SQLSTATE code of an error from the server, or an empty string for any other error."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
