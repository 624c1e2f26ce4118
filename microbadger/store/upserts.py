"""Inserts rows, or updates the rows that exist already. SQLAlchemy has a separate construct for each database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, literal_column
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

_INSERT: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_MOST_STATEMENTS = 256

Row = Mapping[str, object]


def upsert(
    connection: Connection,
    table: Table,
    rows: Row | Sequence[Row],
    *,
    update: Collection[str] | Mapping[str, object] = (),
    where: ColumnElement[bool] | None = None,
) -> int:
    """Insert rows, and update the rows whose primary key exists. Return how many were inserted or updated.

    ``update`` names the columns that take the new values, or maps columns to expressions. Without it, existing rows
    stay as they are. ``where`` limits which existing rows are updated. Expressions can use `excluded`, and bound
    parameters whose values are in the rows. Keep expressions in module constants, so that the statement is built once.
    """
    if not rows:
        return 0
    changes = tuple(update.items() if isinstance(update, Mapping) else update)
    return connection.execute(statement_for(connection.dialect.name, table, changes, where), rows).rowcount


def upsert_selected(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Select[Any],
    given: Row,
    *,
    update: tuple[str, ...],
    returning: Column[Any],
) -> Sequence[Any]:
    """Insert the rows of a query, and update the rows whose primary key exists. Return one column of each.

    ``given`` has the values of bound parameters. Keep the query in a module constant, as for `upsert`.
    """
    statement = _statement_from(connection.dialect.name, table, columns, rows, update, returning)
    return connection.execute(statement, given).scalars().all()


def excluded(column: Column[Any]) -> ColumnElement[Any]:
    """Return the value that `upsert` would insert into a column, for its ``update`` and ``where``."""
    return literal_column(f"excluded.{column.name}", column.type)


@lru_cache(maxsize=_MOST_STATEMENTS)
def statement_for(
    dialect: str,
    table: Table,
    changes: tuple[str | tuple[str, object], ...],
    where: ColumnElement[bool] | None = None,
) -> Any:
    """Return the statement of `upsert` for a dialect of SQLAlchemy."""
    insert = _INSERT[dialect](table).execution_options(preserve_rowcount=True)  # psycopg has no row count otherwise
    if not changes:
        return insert.on_conflict_do_nothing()
    return _or_update(insert, table, changes, where)


@lru_cache(maxsize=_MOST_STATEMENTS)
def _statement_from(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    rows: Select[Any],
    update: tuple[str, ...],
    returning: Column[Any],
) -> Any:
    insert: Any = _INSERT[dialect](table).from_select(columns, rows)
    return _or_update(insert, table, update).returning(returning)


def _or_update(
    insert: Any,
    table: Table,
    changes: tuple[str | tuple[str, object], ...],
    where: ColumnElement[bool] | None = None,
) -> Any:
    values = dict((each, insert.excluded[each]) if isinstance(each, str) else each for each in changes)
    return insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=values, where=where)
