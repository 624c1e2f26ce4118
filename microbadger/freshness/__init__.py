"""Tracks images: decides when to check each image, runs the checks, and publishes what they find."""

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
