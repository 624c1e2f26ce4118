"""The tables of images that readers ask for."""

from sqlalchemy import Column, Index, Table

from microbadger.store.tables import SCHEMA, ImageName, Moment, Text

ADMISSIONS = Table(
    "admissions",
    SCHEMA,
    Column("image", ImageName, primary_key=True),
    Column("admitted_at", Moment, nullable=False),
    Column("absent_at", Moment),
    Index("admissions_by_time", "admitted_at"),
    sqlite_with_rowid=False,
)
"""Images that a reader's request tracked in the last days, and when their registry turned out not to have them."""

CLIENT_NETWORKS = Table(
    "client_networks",
    SCHEMA,
    Column("network", Text, primary_key=True),
    Column("used_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Up to which time the requests of each network have used its share of the images that are admitted."""
