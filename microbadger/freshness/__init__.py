"""Keeps the tracked images fresh: decides when to check an image, reads it from its registry and publishes its files.

A *check* asks the registry of an image what changed, and updates the public files accordingly. The database keeps the
schedule, so several processes on several machines can share the work.
"""

from microbadger.freshness.admissions import NOT_TRACKED, Admission, Admissions, OpenOptions
from microbadger.freshness.checks import Summary
from microbadger.freshness.duties import is_served
from microbadger.freshness.last_check import Check
from microbadger.freshness.outcome import Outcome
from microbadger.freshness.service import Freshness, FreshnessOptions
from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import NotTracked, TrackedImages, parse_image, without_invisible
from microbadger.freshness.upkeep import REGISTRY_HANGS

__all__ = [
    "NOT_TRACKED",
    "REGISTRY_HANGS",
    "Admission",
    "Admissions",
    "Check",
    "Freshness",
    "FreshnessOptions",
    "NotTracked",
    "OpenOptions",
    "Outcome",
    "Summary",
    "TrackedImage",
    "TrackedImages",
    "is_served",
    "parse_image",
    "without_invisible",
]
