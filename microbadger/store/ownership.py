"""Tells the tables of this program from tables of other programs with the same names.

Names such as ``messages`` are common, and some platforms give one PostgreSQL database to several programs. A table is
ours if it has our columns. If another program uses one of our names, nothing is created or changed in the database.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Text, bindparam, text

from microbadger.store.tables import META, SCHEMA

_TABLES = frozenset(SCHEMA.tables)
_TABLES_OF_INDEXES = {str(index.name): table.name for table in SCHEMA.tables.values() for index in table.indexes}
_THINGS_OF_SQLITE = """
    SELECT name, type AS kind, tbl_name AS of_table FROM sqlite_master WHERE type <> 'trigger' AND name IN :names
"""
_COLUMNS_OF_SQLITE = """
    SELECT m.name AS of_table, c.name FROM sqlite_master m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name IN :names
"""
# https://www.postgresql.org/docs/current/catalog-pg-class.html
_THINGS_OF_POSTGRESQL = """
    SELECT c.relname AS name, CASE c.relkind
        WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'type' END AS kind,
        t.relname AS of_table
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
    WHERE c.relname IN :names AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND CASE WHEN i.indexrelid IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = current_schema() END
    UNION ALL SELECT t.typname, 'type', NULL FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typname IN :names AND t.typrelid = 0 AND t.typelem = 0 AND n.nspname = current_schema()
"""
_COLUMNS_OF_POSTGRESQL = """
    SELECT c.relname AS of_table, a.attname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relname IN :names AND pg_table_is_visible(c.oid)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_THINGS = {"sqlite": _THINGS_OF_SQLITE, "postgresql": _THINGS_OF_POSTGRESQL}
_COLUMNS = {"sqlite": _COLUMNS_OF_SQLITE, "postgresql": _COLUMNS_OF_POSTGRESQL}
_ANY_TABLE_OF_A_FILE = text(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
)
_ELSEWHERE = {"sqlite": "use another file", "postgresql": "use another database or schema"}


class UnknownSchema(Exception):
    """This program cannot use the database. The message says why, and what to do."""


class OlderSchema(UnknownSchema):
    """The database belongs to this program, but must first be migrated or completed."""


class _Thing(NamedTuple):
    name: str
    kind: str
    of_table: str | None


def refuse_names_taken(connection: Connection, renamed: Collection[str] = ()) -> set[str]:
    """Return the names of our tables that exist. Raises UnknownSchema if something else has a name that we need.

    ``renamed`` names the tables that somebody has renamed: their indexes belong to tables with other names.
    """
    there = set()
    for row in _of_catalogue(connection, _THINGS, [*_TABLES, *_TABLES_OF_INDEXES]):
        thing = _Thing(row.name, row.kind, row.of_table)
        if thing.name in _TABLES and thing.kind == "table":
            there.add(thing.name)
        elif thing.name in _TABLES or _is_taken(thing, renamed):
            raise _of_another(connection, f'{thing.kind} "{thing.name}"')
    return there


def refuse_columns_of_others(connection: Connection, names: Collection[str] = _TABLES) -> None:
    """Raise UnknownSchema if one of these tables lacks one of our columns."""
    columns = _columns(connection, names)
    for name, there in columns.items():
        for column in SCHEMA.tables[name].columns:
            if column.name not in there:
                raise _of_another(connection, f'table "{name}"', f', which has no column "{column.name}"')


def refuse_file_of_others(connection: Connection) -> None:
    """Raise UnknownSchema if an SQLite file has tables, but none of ours. A PostgreSQL server may be shared."""
    if connection.dialect.name != "sqlite":
        return
    for name in connection.execute(_ANY_TABLE_OF_A_FILE).scalars().all()[:1]:
        raise _of_another(connection, f'table "{name}"')


def refuse_single_values_of_others(connection: Connection) -> None:
    """Raise UnknownSchema, because the table META exists and nothing shows that it is ours."""
    raise _of_another(connection, f'table "{META.name}"')


def _is_taken(thing: _Thing, renamed: Collection[str]) -> bool:
    table = _TABLES_OF_INDEXES[thing.name]
    return table not in renamed and (thing.kind, thing.of_table) != ("index", table)


def _columns(connection: Connection, names: Collection[str]) -> Mapping[str, set[str]]:
    columns: dict[str, set[str]] = {}
    for row in _of_catalogue(connection, _COLUMNS, names):
        columns.setdefault(row.of_table, set()).add(row.name)
    return columns


def _of_catalogue(
    connection: Connection, statements: Mapping[str, str], names: Collection[str]
) -> Sequence[Row[Any]]:
    statement = text(statements[connection.dialect.name]).bindparams(bindparam("names", expanding=True, type_=Text()))
    return connection.execute(statement, {"names": [*names]}).all()


def _of_another(connection: Connection, what: str, why: str = "") -> UnknownSchema:
    elsewhere = _ELSEWHERE[connection.dialect.name]
    return UnknownSchema(f"it contains the {what} of another program{why}; {elsewhere}")
