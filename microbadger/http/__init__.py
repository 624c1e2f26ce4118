"""Connections to strangers, checked and bounded."""

from microbadger.http.connection import (
    Address,
    CutOff,
    ForbiddenAddress,
    PinnedAdapter,
    Reach,
    Resolve,
    cut_off_after,
    is_possible,
    is_public,
    resolve_name,
)

__all__ = [
    "Address",
    "CutOff",
    "ForbiddenAddress",
    "PinnedAdapter",
    "Reach",
    "Resolve",
    "cut_off_after",
    "is_possible",
    "is_public",
    "resolve_name",
]
