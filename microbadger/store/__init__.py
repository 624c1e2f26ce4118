"""The database, and whole files."""

from microbadger.store.counts import CountLabels, Counts, labels_of
from microbadger.store.database import Database, StoreError
from microbadger.store.files import (
    PUBLIC_MODE,
    make_folder,
    read_if_any,
    remove_file,
    replace_file,
    replace_if_other,
    stamp_of,
    sweep,
    trouble_with,
)
from microbadger.store.leases import Lease, LeaseLost, Leases
from microbadger.store.meta import kept_secret, read_value, write_value
from microbadger.store.tables import (
    ASKED_TAGS,
    CHANGES,
    CHECKS,
    CONTENT,
    DELIVERIES,
    FIRST_SEEN,
    LAYER_STACKS,
    LEASES,
    MESSAGES,
    PUBLIC_FILES,
    RECORDS,
    REQUESTS,
    SUBSCRIPTIONS,
    TRACKED_IMAGES,
    VERSIONS,
)
from microbadger.store.upserts import upsert

__all__ = [
    "ASKED_TAGS",
    "CHANGES",
    "CHECKS",
    "CONTENT",
    "DELIVERIES",
    "FIRST_SEEN",
    "LAYER_STACKS",
    "LEASES",
    "MESSAGES",
    "PUBLIC_FILES",
    "PUBLIC_MODE",
    "RECORDS",
    "REQUESTS",
    "SUBSCRIPTIONS",
    "TRACKED_IMAGES",
    "VERSIONS",
    "CountLabels",
    "Counts",
    "Database",
    "Lease",
    "LeaseLost",
    "Leases",
    "StoreError",
    "kept_secret",
    "labels_of",
    "make_folder",
    "read_if_any",
    "read_value",
    "remove_file",
    "replace_file",
    "replace_if_other",
    "stamp_of",
    "sweep",
    "trouble_with",
    "upsert",
    "write_value",
]
