"""Creates the tables of a new database, and migrates an older database to the schema of this program."""

import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import BigInteger, Connection, inspect, select, text

from microbadger.logs import EventLog
from microbadger.store import guards, ownership
from microbadger.store.ownership import OlderSchema, UnknownSchema
from microbadger.store.tables import META, SCHEMA
from microbadger.store.upserts import upsert

log = EventLog(__name__)

Migration = Callable[[Connection], None]

_CHANGED_TABLE = re.compile(r"(?:ALTER TABLE|CREATE INDEX \w+ ON|UPDATE) (\w+)")


def _tell_pushes_from_views(connection: Connection) -> None:
    """Distinguish pushes from views, store tag lists and broken content, and store content for each image apart."""
    bytes_type = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    _execute(
        connection,
        "ALTER TABLE checks RENAME COLUMN wanted_tags TO pushed_tags",
        "ALTER TABLE checks ADD COLUMN viewed_tags TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE checks ADD COLUMN note TEXT",
        "ALTER TABLE checks DROP COLUMN follow_ups",
        "ALTER TABLE requests ADD COLUMN is_view BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE requests ADD COLUMN due_at FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE requests ADD COLUMN follow_ups INTEGER NOT NULL DEFAULT 0",
        f"CREATE TABLE tag_lists (image TEXT NOT NULL PRIMARY KEY, document {bytes_type} NOT NULL)",
        "CREATE TABLE broken_content (image TEXT NOT NULL, digest TEXT NOT NULL, error TEXT NOT NULL,"
        " failures INTEGER NOT NULL, retry_at FLOAT NOT NULL, PRIMARY KEY (image, digest))",
        "DROP TABLE IF EXISTS content",  # its rows do not say for which image they were read
        f"CREATE TABLE content (image TEXT NOT NULL, digest TEXT NOT NULL, body {bytes_type} NOT NULL,"
        " size_bytes INTEGER NOT NULL, used_at FLOAT NOT NULL, PRIMARY KEY (image, digest))",
        "CREATE INDEX content_by_used_at ON content (used_at, size_bytes)",
    )


def _count_interrupted_checks(connection: Connection) -> None:
    """Count the checks that began and never ended."""
    _execute(
        connection,
        "CREATE TABLE interrupted_checks (image TEXT NOT NULL PRIMARY KEY, times INTEGER NOT NULL,"
        " retry_at FLOAT NOT NULL)",
    )


def _order_text_by_code_points(connection: Connection) -> None:
    """Make PostgreSQL compare and order text as SQLite does, whatever the locale of the database is."""
    if connection.dialect.name != "postgresql":
        return
    of_others = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    )
    tables = SCHEMA.tables.keys()  # the schema may also hold tables of other programs
    for table, column in [row for row in connection.execute(of_others).all() if row.table_name in tables]:
        connection.execute(text(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE TEXT COLLATE "C"'))


def _remember_absent_tags(connection: Connection) -> None:
    """Store the tags that seem to be deleted until a later check confirms it."""
    _execute(connection, "ALTER TABLE checks ADD COLUMN absent_tags TEXT")


def _tell_public_records_from_private_ones(connection: Connection) -> None:
    """Store in each record whether its image is public, also in existing records, as far as that is known."""
    if not _has_table(connection, "records"):
        return
    _execute(
        connection,
        "ALTER TABLE records ADD COLUMN is_public BOOLEAN NOT NULL DEFAULT FALSE",
        "CREATE INDEX records_by_is_public ON records (is_public, image)",
        "UPDATE records SET is_public = TRUE WHERE 'read_as_private:' || image NOT IN (SELECT key FROM meta)",
    )
    if _has_table(connection, "tracked_images"):
        _execute(
            connection,
            "UPDATE records SET is_public = FALSE WHERE image IN (SELECT image FROM tracked_images WHERE is_private)",
        )
    listed = connection.execute(select(META.c.value).where(META.c.key == "images.txt")).scalar_one_or_none() or ""
    private_lines = [line for line in listed.splitlines() if "private" in line]
    for image in connection.execute(text("SELECT image FROM records")).scalars().all():
        path = image.partition("/")[2].removeprefix("library/")
        if any(path in line for line in private_lines):
            connection.execute(text("UPDATE records SET is_public = FALSE WHERE image = :image"), {"image": image})


def _share_work_and_limits(connection: Connection) -> None:
    """Let all processes claim due images, and share the pauses and pull limits of each registry."""
    text_type = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    _execute(
        connection,
        "CREATE INDEX checks_by_registry ON checks (registry, due_at)",
        "CREATE INDEX tracked_images_by_number ON tracked_images (number)",
        f"CREATE TABLE claims (image {text_type} NOT NULL, is_asked BOOLEAN NOT NULL, registry {text_type} NOT NULL,"
        f" holder {text_type} NOT NULL, until FLOAT NOT NULL, PRIMARY KEY (image, is_asked))",
        f"CREATE TABLE hosts (host {text_type} NOT NULL PRIMARY KEY, paused_until FLOAT NOT NULL)",
        f"CREATE TABLE pulls (host {text_type} NOT NULL, account {text_type} NOT NULL, source {text_type} NOT NULL,"
        " pulls_left BIGINT NOT NULL, allowed BIGINT NOT NULL, known_until FLOAT NOT NULL, heard_at FLOAT NOT NULL,"
        " PRIMARY KEY (host, account, source))",
    )


def _ask_subscribers_about_rebuilds(connection: Connection) -> None:
    """Let subscriptions ask for messages about versions that were only rebuilt. Existing subscriptions do not."""
    _execute(connection, "ALTER TABLE subscriptions ADD COLUMN wants_rebuilt BOOLEAN NOT NULL DEFAULT FALSE")


def _ask_subscribers_about_bases(connection: Connection) -> None:
    """Let subscriptions ask for messages about base images that moved. Existing subscriptions do not."""
    _execute(connection, "ALTER TABLE subscriptions ADD COLUMN wants_base_moved BOOLEAN NOT NULL DEFAULT FALSE")


def _track_images_that_readers_ask_for(connection: Connection) -> None:
    """Mark images that are tracked because readers requested them. Existing rows are not: an operator tracks them."""
    _execute(
        connection,
        "ALTER TABLE tracked_images ADD COLUMN requested_at FLOAT",
        "CREATE INDEX tracked_images_by_requested_at ON tracked_images (requested_at)",
    )


def _execute(connection: Connection, *statements: str) -> None:
    """Execute statements, except those that change a missing table: `bring_up_to_date` creates it at the end."""
    for statement in statements:
        changed = _CHANGED_TABLE.match(statement)
        if changed is None or _has_table(connection, changed[1]):
            connection.execute(text(statement))


def _has_table(connection: Connection, name: str) -> bool:
    return inspect(connection).has_table(name)


def _count_beyond_32_bits(connection: Connection) -> None:
    """Let numbers that only grow exceed 2,147,483,647. SQLite needs only new guards, which every migration creates."""
    if connection.dialect.name != "postgresql":
        return
    of_32_bits = text(
        "SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence"
        " FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'integer'"
    )
    for table, column, sequence in connection.execute(of_32_bits).all():
        described = SCHEMA.tables[table].columns.get(column) if table in SCHEMA.tables else None
        if described is None or not isinstance(described.type, BigInteger):
            continue
        connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE BIGINT"))
        if sequence:
            connection.execute(text(f"ALTER SEQUENCE {sequence} AS BIGINT"))


def _keep_history(connection: Connection) -> None:
    """Store which versions the tags of an image named over time."""
    is_postgresql = connection.dialect.name == "postgresql"
    text_type, bytes_type = ('TEXT COLLATE "C"', "BYTEA") if is_postgresql else ("TEXT", "BLOB")
    _execute(
        connection,
        f"CREATE TABLE IF NOT EXISTS history (image {text_type} NOT NULL PRIMARY KEY, document {bytes_type} NOT NULL)",
    )


def tell_exact_first_sights(connection: Connection) -> None:
    """Store whether each first-seen time is exact, and since when images are untracked.

    A time is not exact if it is that of the first check of an image, because the tag may have existed before. It is not
    exact either if the image has more tags than are kept, because the tag may only have been kept from then on.
    """
    text_type = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    _execute(
        connection,
        "ALTER TABLE first_seen ADD COLUMN is_exact BOOLEAN NOT NULL DEFAULT FALSE",
        f"CREATE TABLE untracked_images (image {text_type} NOT NULL PRIMARY KEY, untracked_at FLOAT NOT NULL)",
        "CREATE INDEX untracked_images_by_time ON untracked_images (untracked_at)",
    )
    if not (_has_table(connection, "first_seen") and _has_table(connection, "tag_lists")):
        return
    _execute(
        connection,
        "UPDATE first_seen SET is_exact = TRUE WHERE image NOT IN (SELECT image FROM tag_lists) AND (image, seen_at)"
        " NOT IN (SELECT image, min(seen_at) FROM first_seen GROUP BY image)",
    )
    if _has_table(connection, "checks"):
        untracked = text(
            "INSERT INTO untracked_images SELECT DISTINCT image, CAST(:now AS FLOAT) FROM first_seen"
            " WHERE image NOT IN (SELECT image FROM checks)"
        )
        connection.execute(untracked, {"now": time.time()})


def _authorize_at_receivers(connection: Connection) -> None:
    """Store the authorization header that a receiver requires, and the headers of each message."""
    text_type = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    _execute(
        connection,
        f"ALTER TABLE subscriptions ADD COLUMN authorization_header {text_type} NOT NULL DEFAULT ''",
        f"ALTER TABLE messages ADD COLUMN headers {text_type} NOT NULL DEFAULT '{{}}'",
    )


MIGRATIONS: Sequence[Migration] = (
    _tell_pushes_from_views,
    _count_interrupted_checks,
    _remember_absent_tags,
    _tell_public_records_from_private_ones,
    _share_work_and_limits,
    _order_text_by_code_points,
    _count_beyond_32_bits,
    _keep_history,
    tell_exact_first_sights,
    _ask_subscribers_about_rebuilds,
    _authorize_at_receivers,
    _ask_subscribers_about_bases,
    _track_images_that_readers_ask_for,
)
"""The migrations from each version of the schema to the next, beginning with version 1."""

IDENTITY_KEY = "identity"
"""The key of a random value that tells a database from the one that it replaces."""
VERSION_KEY = "schema_version"
_VERSION_AND_IDENTITY = select(META.c.key, META.c.value).where(META.c.key.in_([VERSION_KEY, IDENTITY_KEY]))


def is_up_to_date(connection: Connection, migrations: Sequence[Migration]) -> bool:
    """Return whether the database has the schema of this program. Raises UnknownSchema."""
    newest = len(migrations) + 1
    return version_of(connection, newest) == newest and guards.are_complete(connection)


def bring_up_to_date(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Create the tables that are missing, and migrate the tables of an older version. Raises UnknownSchema.

    The transaction must keep other processes from doing so at the same time. Another process may already have done so.
    """
    newest = len(migrations) + 1
    version = version_of(connection, newest)
    if not version:
        META.create(connection, checkfirst=True)
        values = {VERSION_KEY: str(newest), IDENTITY_KEY: secrets.token_hex(8)}
        upsert(connection, META, [{"key": key, "value": value} for key, value in values.items()], update=("value",))
    elif version < newest:
        guards.remove(connection)
        for migrate in migrations[version - 1 :]:
            migrate(connection)
        ownership.refuse_columns_of_others(connection)
        connection.execute(META.update().where(META.c.key == VERSION_KEY).values(value=str(newest)))
        log.info("database_migrated", before=version, now=newest)
    guards.complete(connection)


def check_unchanged(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Raise OlderSchema if the database must first be migrated or completed, and UnknownSchema if it is not ours."""
    newest = len(migrations) + 1
    version = version_of(connection, newest)
    if not version:
        raise UnknownSchema("it is not a database of MicroBadger")
    if version < newest or not guards.are_complete(connection):
        raise OlderSchema("an older version created it; start the current service with it once")


def version_of(connection: Connection, newest: int) -> int:
    """Return the version of the schema, or 0 if the database has none: it is new, or META was lost or emptied.

    Raises UnknownSchema if the version is newer than ``newest``, or if another program uses the names of our tables.
    """
    there = ownership.refuse_names_taken(connection, guards.renamed(connection))
    ownership.refuse_columns_of_others(connection, {META.name} & there)
    version = _version_in(connection, there) if META.name in there else _version_without_values(connection, there)
    if version > newest:
        raise UnknownSchema(f"a newer version has migrated it to schema {version}; use that version")
    if version in (0, newest):
        ownership.refuse_columns_of_others(connection)
    return version


def _version_in(connection: Connection, there: Collection[str]) -> int:
    """Return the version that the table META holds."""
    values = {row.key: row.value for row in connection.execute(_VERSION_AND_IDENTITY)}
    version = values.get(VERSION_KEY)
    are_ours = len(there) > 1 or IDENTITY_KEY in values
    if version is None and are_ours:
        return 0  # somebody has emptied the table
    if not are_ours:
        ownership.refuse_single_values_of_others(connection)
    if not isinstance(version, str) or not version.isdecimal():
        raise UnknownSchema("it contains tables of another program; use another database")
    return int(version)


def _version_without_values(connection: Connection, there: Collection[str]) -> int:
    if name := guards.renamed(connection).get(META.name):
        raise UnknownSchema(f"its table {META.name} was renamed to {name}; rename it back")
    if not there and not guards.renamed(connection):
        ownership.refuse_file_of_others(connection)
    return 0
