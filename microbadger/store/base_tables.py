"""The tables about base images, tracked or not. All images built on a base image share its rows.

Rows about a private base image are kept separate, and are used only for private images.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Table

from microbadger.store.tables import SCHEMA, ImageName, Moment, Text

BASE_TAGS = Table(
    "base_tags",
    SCHEMA,
    Column("reference", Text, primary_key=True),
    Column("is_private", Boolean, primary_key=True),
    Column("sights", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Index("base_tags_by_due_at", "due_at"),
    sqlite_with_rowid=False,
)
"""The digests that each tag of a base image named over time, and when to ask its registry again."""

BASE_CONTENTS = Table(
    "base_contents",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("is_private", Boolean, primary_key=True),
    Column("document", Text),
    Column("failures", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
    Index("base_contents_by_used_at", "used_at"),
    sqlite_with_rowid=False,
)
"""The entries of each index and the layers of each manifest. Without a document, ``due_at`` says when to try again."""
