"""Guards: triggers that make SQLite enforce the types of columns, whichever program writes a row.

SQLite accepts any value in any column. A text instead of a time would break every later read of the row. So each table
has two triggers. If an update writes a value of the wrong type or out of range, the row keeps its old values. If an
insert does, the new row is removed. The program that wrote the value sees no error. When the guards are created, older
rows with such values are repaired or removed. PostgreSQL checks types itself and needs no guards.
"""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import BigInteger, Boolean, Column, Connection, Float, Integer, LargeBinary, Table, inspect

from microbadger.logs import EventLog
from microbadger.store.tables import END_OF_TIME, SCHEMA, ImageName, Labels, Moment

log = EventLog(__name__)

_LARGEST = 1e300

# The names that `Repository` accepts, as far as SQLite's patterns can express that.
_IMAGE = (
    "{c} GLOB '[[a-z0-9]*/[a-z0-9]*' AND {c} GLOB '*[a-z0-9]' AND {c} NOT GLOB '*[^][a-z0-9._:/-]*'"
    " AND {c} NOT GLOB '*/*[][:]*' AND {c} NOT GLOB '*[./:-][._/]*' AND {c} NOT GLOB '*[./:_]-*'"
    " AND {c} NOT GLOB '*_[./:]*' AND {c} NOT GLOB '*___*' AND length({c}) <= 255"
    " AND (substr({c}, 1, instr({c}, '/')) GLOB '*[.:]*' OR {c} GLOB 'localhost/*')"
)


def are_complete(connection: Connection) -> bool:
    """Return whether every table exists and has its guards, except the tables that somebody has renamed."""
    if connection.dialect.name != "sqlite":
        return SCHEMA.tables.keys() <= set(inspect(connection).get_table_names())
    there = _objects(connection)
    wanted = {name for table in SCHEMA.tables.values() for name in (table.name, *_names(table).values())}
    renamed = {table.name for table in SCHEMA.tables.values() if _new_name(table, there)}
    return wanted - renamed <= there.keys()


def complete(connection: Connection) -> None:
    """Create the missing tables and guards, and repair or remove the rows that no guard has checked."""
    if connection.dialect.name != "sqlite":
        SCHEMA.create_all(connection)
        return
    there = _objects(connection)
    tables = [table for table in SCHEMA.tables.values() if not _new_name(table, there)]
    older = [table for table in tables if table.name in there]
    SCHEMA.create_all(connection, [table for table in tables if table not in older], checkfirst=False)
    remove(connection, tables)  # a renamed table can have kept one of them
    for table in older:
        _heal(connection, table)
    for table in tables:
        for statement in _triggers(table):
            connection.exec_driver_sql(statement)


def renamed(connection: Connection) -> dict[str, str]:
    """Return the new names of the tables that somebody has renamed, by their old names. Only SQLite can tell."""
    there = _objects(connection) if connection.dialect.name == "sqlite" else {}
    return {table.name: name for table in SCHEMA.tables.values() if (name := _new_name(table, there))}


def remove(connection: Connection, tables: Iterable[Table] = SCHEMA.tables.values()) -> None:
    """Remove the guards, because a migration cannot change a column that a trigger names."""
    if connection.dialect.name == "sqlite":
        for table in tables:
            for name in _names(table).values():
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


def _objects(connection: Connection) -> dict[str, str]:
    """Return the name of each table, index and trigger, mapped to the table that it belongs to."""
    rows = connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master")
    return {row.name: row.tbl_name for row in rows}


def _new_name(table: Table, there: Mapping[str, str]) -> str | None:
    """Return the new name of a renamed table, to which its guards still belong, or None if it was not renamed."""
    return None if table.name in there else there.get(_names(table)["update"])


def _heal(connection: Connection, table: Table) -> None:
    """Replace invalid values with the ``instead`` of their column, and remove the rows that are still invalid."""
    for column in table.columns:
        if "instead" in column.info:
            instead = f"UPDATE {table.name} SET {column.name} = ? WHERE NOT ({_is_sound(column)})"  # noqa: S608 - names of ours
            connection.exec_driver_sql(instead, (column.info["instead"],))
    delete = f"DELETE FROM {table.name} WHERE NOT ({_are_sound(table)})"  # noqa: S608 - names of ours
    removed = connection.exec_driver_sql(delete).rowcount
    if removed > 0:
        log.warning("unsound_rows_removed", table=table.name, rows=removed)


def _triggers(table: Table) -> Iterator[str]:
    """Yield the statements that create the guards of a table."""
    keys = [column.name for column in table.primary_key]
    is_new = " AND ".join(f"{key} IS NEW.{key}" for key in keys)
    is_old = " AND ".join(f"{key} IS OLD.{key}" for key in keys)
    as_before = ", ".join(f"{column.name} = OLD.{column.name}" for column in table.columns)
    unsound = f"NOT ({_are_sound(table, 'NEW.')})"
    names = _names(table)
    yield (
        f"CREATE TRIGGER {names['update']} AFTER UPDATE ON {table.name} WHEN {unsound} BEGIN"  # noqa: S608 - names of ours
        f" UPDATE OR REPLACE {table.name} SET {as_before} WHERE {is_new};"
        f" DELETE FROM {table.name} WHERE {is_old} AND NOT ({_are_sound(table)}); END"
    )
    yield (
        f"CREATE TRIGGER {names['insert']} AFTER INSERT ON {table.name} WHEN {unsound} BEGIN"  # noqa: S608 - names of ours
        f" DELETE FROM {table.name} WHERE {is_new}; END"
    )


def _names(table: Table) -> dict[str, str]:
    return {event: f"{table.name}_guard_{event}" for event in ("update", "insert")}


def _are_sound(table: Table, row: str = "") -> str:
    return " AND ".join(f"({_is_sound(column, row)})" for column in table.columns)


def _is_sound(column: Column[object], row: str = "") -> str:
    """Return the SQL condition that a valid value of a column meets."""
    name = f"{row}{column.name}"
    condition = _condition(column).format(c=name)
    return f"{name} IS NULL OR ({condition})" if column.nullable else condition


def _condition(column: Column[object]) -> str:
    of_type = {
        Boolean: "typeof({c}) = 'integer' AND {c} IN (0, 1)",
        BigInteger: f"typeof({{c}}) = 'integer' AND {{c}} BETWEEN 0 AND {2**53}",
        Integer: f"typeof({{c}}) = 'integer' AND {{c}} BETWEEN 0 AND {2**31 - 1}",
        Moment: f"typeof({{c}}) = 'real' AND {{c}} BETWEEN 0 AND {END_OF_TIME}",
        Float: f"typeof({{c}}) = 'real' AND {{c}} BETWEEN {-_LARGEST} AND {_LARGEST}",
        LargeBinary: "typeof({c}) = 'blob'",
        ImageName: f"typeof({{c}}) = 'text' AND {_IMAGE}",
        Labels: "typeof({c}) = 'text' AND ({c} = '[]' OR {c} GLOB '[[][[]\"*\"]]')",
    }
    plain = "typeof({c}) = 'text'" + (" AND instr({c}, char(0)) = 0" if column.primary_key else "")
    return next((condition for kind, condition in of_type.items() if isinstance(column.type, kind)), plain)
