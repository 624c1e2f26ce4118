"""Inserts rows or updates those that exist: the one statement that SQLAlchemy builds for each database differently."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, literal_column
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
    """Insert rows, and update those whose primary key exists; return how many were inserted or updated.

    ``update`` names the columns that take the new values, or maps columns to expressions; without it, existing rows
    stay as they are. ``where`` limits which existing rows are updated. Expressions can use `excluded`, and bound
    parameters, whose values stand in the rows. Keep them in module constants: the statement is then built only once.
    """
    if not rows:
        return 0
    changes = tuple(update.items() if isinstance(update, Mapping) else update)
    return connection.execute(statement_for(connection.dialect.name, table, changes, where), rows).rowcount


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
    """Return the statement of `upsert` for one of the databases."""
    insert = _INSERT[dialect](table).execution_options(preserve_rowcount=True)  # which psycopg would not give
    if not changes:
        return insert.on_conflict_do_nothing()
    values = dict((each, insert.excluded[each]) if isinstance(each, str) else each for each in changes)
    return insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=values, where=where)
