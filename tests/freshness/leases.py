"""Checks of a process whose leases a test controls."""

from dataclasses import replace

from microbadger.freshness.refresh import Refresher
from microbadger.store.leases import Leases


def with_leases(refresher: Refresher, leases: Leases) -> Refresher:
    """Return a refresher as another process has it, which takes its leases from these."""
    turns = replace(refresher.turns, leases=leases)
    return replace(refresher, turns=turns, removal=replace(refresher.removal, turns=turns))
