"""Every table of the database.

Times are Unix times in seconds. An image is named by `str(Repository)`, its canonical name; documents are JSON, those
that can be long are compressed. Columns are of types that SQLite and PostgreSQL have in common. The guards of
`microbadger.store.guards` keep each column to its type. An older value of another type becomes the ``instead`` of its
column, if that has one.
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
    """Text that every database keeps, and compares and orders by its code points.

    Strangers' texts can hold what cannot be kept: PostgreSQL has no NUL, and neither has half of a surrogate pair.
    """

    impl = PlainText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return PlainText(collation="C") if dialect.name == "postgresql" else PlainText()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the same for all
        return keepable(value) if isinstance(value, str) else value


def keepable(text: str) -> str:
    """Return a text with what no database keeps replaced."""
    if text.isascii():
        return text.replace("\0", _REPLACEMENT)
    return text.replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode()


SCHEMA = MetaData()
END_OF_TIME = 250_000_000_000
"""A Unix time in the year 9892: one that is kept and later is damaged, and may have no date."""


class Moment(Float[float]):
    """A Unix time."""


Number = BigInteger().with_variant(Integer(), "sqlite")
"""A number that counts up for ever. SQLite numbers rows by itself only in a column that it knows as INTEGER."""


class ImageName(Text):
    """The canonical name of an image, in the tables whose readers parse it."""

    cache_ok = True  # SQLAlchemy asks each class; without it statements are compiled each time


class Labels(Text):
    """Names and values of labels, as a JSON list of pairs."""

    cache_ok = True


META = Table(
    "meta",
    SCHEMA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Single values: the version of the schema, the secret made on the first start, and what processes share."""

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
"""Images tracked beside those that ``images.txt`` and the settings name.

``requested_at`` is set if only the requests of readers track an image: it is the time of the last one. It is empty if a
command or an administrator tracks the image.
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
"""How the last check of each tracked image went, and when the next one is due; ``name`` is its `image_name`."""

INTERRUPTED_CHECKS = Table(
    "interrupted_checks",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("retry_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Images whose last checks began and never ended: how many in a row, and when to make the next one."""

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
"""Which process is about to check an image, because somebody asked or because it is due, and until when that counts."""

HOSTS = Table(
    "hosts",
    SCHEMA,
    Column("host", Text, primary_key=True),
    Column("paused_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Until when each registry wants to be left alone. Who claims images of a registry locks its row."""

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
"""How many manifests each registry still lets an account read, or anonymous readers at an address: the ``source``."""

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

It is that of a public image only if an anonymous reader was shown it. The description is there to be searched, in lower
case. The document comes last: reading the columns before it does not read it.
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
"""When a tag was first seen to name a digest; an empty tag stands for the digest itself. Never rewritten.

The time is not exact where the tag may have named the digest before.
"""

UNTRACKED_IMAGES = Table(
    "untracked_images",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("untracked_at", Moment, nullable=False),
    Index("untracked_images_by_time", "untracked_at"),
    sqlite_with_rowid=False,
)
"""Images that are tracked no more, and since when: what was first seen of them is kept for some time."""

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
"""Manifests and configs as the registry of an image sent them, compressed; ``size_bytes`` is what a row takes."""

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
"""The layers of each version as chain IDs: ``chain`` names all of them, ``lower_chains`` each shorter stack below."""

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
"""Checks that were asked for and have not ended, by a push or by a view of a badge; an empty tag means the image."""

ASKED_TAGS = Table(
    "asked_tags",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("asked_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Unknown tags that a badge was asked for in the last hour."""

TAG_LISTS = Table(
    "tag_lists",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""When each tag was first listed, of images that have more tags than are kept: compressed JSON."""

HISTORY = Table(
    "history",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""Which versions the moving tags of each image named over time: compressed JSON, as it is published."""

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
"""Content that a registry lacks or sends broken, and when to ask for it again."""

PUBLIC_FILES = Table(
    "public_files",
    SCHEMA,
    Column("image", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""The path of every public file of each image, there before the file is: so no file is left when its tag goes."""

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
"""Messages on their way, in the order of their numbers; a parked one was given up and waits for an administrator."""

DELIVERIES = Table(
    "deliveries",
    SCHEMA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("subscription_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("deliveries_by_message", "subscription_id", "message_id", unique=True),
)
"""How the last deliveries of each subscription went."""

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
