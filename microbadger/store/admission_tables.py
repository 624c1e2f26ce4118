"""The tables about images that readers request, and that are tracked for that reason."""

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
"""Images that were tracked on request of a reader in the last days, and when a registry said that it lacks them."""

CLIENT_NETWORKS = Table(
    "client_networks",
    SCHEMA,
    Column("network", Text, primary_key=True),
    Column("used_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""Up to which time the requests of each client network have used its share of newly tracked images."""
