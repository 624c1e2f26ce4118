"""Every table of the database.

Times are Unix times in seconds. An image is named by `str(Repository)`, its canonical name. Documents are JSON, and
documents that can be long are compressed. Columns use the types that SQLite and PostgreSQL have in common. The guards
of `microbadger.store.guards` make SQLite enforce these types. When guards are created, an invalid value in an older row
is replaced by the ``instead`` of its column, if the column has one.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
)
from sqlalchemy import Text as PlainText
from sqlalchemy.types import TypeEngine

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Text(TypeDecorator[str]):
    """Text that every database can store, and that every database compares and orders by code points.

    Untrusted text can hold what cannot be stored: PostgreSQL rejects NUL, and both reject half of a surrogate pair.
    """

    impl = PlainText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return PlainText(collation="C") if dialect.name == "postgresql" else PlainText()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the same for all
        return keepable(value) if isinstance(value, str) else value


def keepable(text: str) -> str:
    """Return a text in which the characters that a database cannot store are replaced."""
    if text.isascii():
        return text.replace("\0", _REPLACEMENT)
    return text.replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode()


SCHEMA = MetaData()
END_OF_TIME = 250_000_000_000
"""A Unix time in the year 9892. A later time in the database is damaged, and `datetime` may not be able to hold it."""


class Moment(Float[float]):
    """A Unix time."""


Number = BigInteger().with_variant(Integer(), "sqlite")
"""An integer that may exceed 32 bits. SQLite numbers rows by itself only in a column of the type INTEGER."""


class ImageName(Text):
    """The canonical name of an image, in the tables whose readers parse it."""

    cache_ok = True  # SQLAlchemy looks at each class: without this, statements are compiled each time


class Labels(Text):
    """Names and values of labels, as a JSON list of pairs."""

    cache_ok = True


META = Table(
    "meta",
    SCHEMA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Single values: the schema version, the secret made on the first start, and values that processes share."""

LEASES = Table(
    "leases",
    SCHEMA,
    Column("name", Text, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)

TRACKED_IMAGES = Table(
    "tracked_images",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("path", Text, nullable=False),
    Column("kept_tags", Text, nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("number", Number, nullable=False),
    Column("requested_at", Moment),
    Index("tracked_images_by_path", "path"),
    Index("tracked_images_by_number", "number"),
    Index("tracked_images_by_requested_at", "requested_at"),
)
"""Images tracked in addition to those in ``images.txt`` and the settings.

``requested_at`` is the time of the last request, if the image is tracked only because readers requested it. It is empty
if a command or an administrator tracks the image.
"""

CHECKS = Table(
    "checks",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("name", Text, nullable=False),
    Column("registry", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("began_at", Moment),
    Column("ended_at", Moment),
    Column("succeeded_at", Moment),
    Column("failing_since", Moment),
    Column("failures", Integer, nullable=False),
    Column("reason", Text),
    Column("error", Text),
    Column("edition", Text, nullable=False),
    Column("pushed_tags", Text, nullable=False),
    Column("viewed_tags", Text, nullable=False),
    Column("note", Text),
    Column("absent_tags", Text),
    Index("checks_by_due_at", "due_at"),
    Index("checks_by_name", "name"),
    Index("checks_by_registry", "registry", "due_at"),
    sqlite_with_rowid=False,
)
"""How the last check of each tracked image went, and when the next one is due.

``name`` is the `image_name`. ``edition`` identifies the program and the settings that wrote the image's public files.
"""

INTERRUPTED_CHECKS = Table(
    "interrupted_checks",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("retry_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Images whose last checks began but never ended: how many checks in a row, and when to try again."""

CLAIMS = Table(
    "claims",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("is_asked", Boolean, primary_key=True),
    Column("registry", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Which process is about to check an image, until when that claim holds, and whether the check was asked for or due."""

HOSTS = Table(
    "hosts",
    SCHEMA,
    Column("host", Text, primary_key=True),
    Column("paused_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Until when each registry must be left alone. A transaction that claims images of a registry locks its row."""

PULLS = Table(
    "pulls",
    SCHEMA,
    Column("host", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("pulls_left", BigInteger, nullable=False),
    Column("allowed", BigInteger, nullable=False),
    Column("known_until", Moment, nullable=False),
    Column("heard_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""How many manifests a registry still lets an account read, or anonymous readers at an address (the ``source``)."""

RECORDS = Table(
    "records",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("pull_count", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("records_by_is_public", "is_public", "image"),
)
"""What was last seen of each image: its document without layers, and its entry in the list of all images.

``is_public`` is true only if the registry showed the image to an anonymous reader. ``description`` is in lower case,
for searches. ``document`` comes last, so reading only the other columns does not load it.
"""

VERSIONS = Table(
    "versions",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("sha", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""The document of each version of a record, with its layers."""

FIRST_SEEN = Table(
    "first_seen",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("seen_at", Moment, nullable=False),
    Column("is_exact", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""When a tag was first seen to name a digest. An empty tag stands for the digest itself. Rows are never changed.

``is_exact`` is false if the tag may have named the digest before that time.
"""

UNTRACKED_IMAGES = Table(
    "untracked_images",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("untracked_at", Moment, nullable=False),
    Index("untracked_images_by_time", "untracked_at"),
    sqlite_with_rowid=False,
)
"""Images that are no longer tracked, and since when. Their rows in ``first_seen`` are kept for some time."""

CHANGES = Table(
    "changes",
    SCHEMA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("image", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("changes_by_image", "image", "number"),
)

CONTENT = Table(
    "content",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("used_at", Moment, nullable=False),
    Index("content_by_used_at", "used_at", "size_bytes"),
)
"""Manifests and configs as the registry of an image sent them. ``body`` is compressed, ``size_bytes`` is its size."""

LAYER_STACKS = Table(
    "layer_stacks",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("sha", Text, primary_key=True),
    Column("chain", Text, nullable=False),
    Column("lower_chains", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index("layer_stacks_by_chain", "chain"),
    sqlite_with_rowid=False,
)
"""The layers of each version as chain IDs: ``chain`` for all layers, ``lower_chains`` for each shorter stack."""

REQUESTS = Table(
    "requests",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("asked", Number, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("is_view", Boolean, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("follow_ups", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Checks that a push or a view of a badge requested and that have not ended. An empty tag means the whole image."""

ASKED_TAGS = Table(
    "asked_tags",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("asked_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Unknown tags for which somebody requested a badge in the last hour."""

TAG_LISTS = Table(
    "tag_lists",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""When each tag was first listed, for images with more tags than are kept: compressed JSON."""

HISTORY = Table(
    "history",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""Which versions the moving tags of each image named over time: compressed JSON, in its published form."""

BROKEN_CONTENT = Table(
    "broken_content",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("error", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Content that a registry lacks or sends damaged, and when to request it again."""

PUBLIC_FILES = Table(
    "public_files",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""The path of every public file of each image. A row is written before its file, so every file can be removed later."""

SUBSCRIPTIONS = Table(
    "subscriptions",
    SCHEMA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("image_name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("is_by_operator", Boolean, nullable=False),
    Column("wants_rebuilt", Boolean, nullable=False),
    Column("wants_base_moved", Boolean, nullable=False),
    Column("authorization_header", Text, nullable=False),
    Index("subscriptions_by_image", "image_name"),
)

MESSAGES = Table(
    "messages",
    SCHEMA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("subscription_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("attempts", Integer, nullable=False, info={"instead": 0}),
    Column("due_at", Moment, nullable=False, info={"instead": 0.0}),
    Column("is_parked", Boolean, nullable=False),
    Index("messages_by_subscription", "is_parked", "subscription_id", "number"),
)
"""Messages to send, in the order of their numbers. Parked messages were given up and wait for an administrator."""

DELIVERIES = Table(
    "deliveries",
    SCHEMA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("subscription_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("deliveries_by_message", "subscription_id", "message_id", unique=True),
)
"""The results of the last deliveries of each subscription."""

COUNTS = Table(
    "counts",
    SCHEMA,
    Column("name", Text, primary_key=True),
    Column("labels", Labels, primary_key=True),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)

GAUGES = Table(
    "gauges",
    SCHEMA,
    Column("name", Text, primary_key=True),
    Column("labels", Labels, primary_key=True),
    Column("value", Float, nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("holds_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
