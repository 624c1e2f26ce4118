"""When to check an image, and one check from question to files."""

from microbadger.freshness.asked_tags import AskedTags
from microbadger.freshness.catalogue import Catalogue
from microbadger.freshness.checks import Check, Checks
from microbadger.freshness.look_log import LookLog
from microbadger.freshness.overview import Overview, Summary
from microbadger.freshness.refresh import Outcome, Refresher
from microbadger.freshness.relatives import LayerIndex
from microbadger.freshness.requests import RefreshRequests
from microbadger.freshness.schedule import Schedule
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tracked_images import NotTracked, TrackedImage, TrackedImages, parse_image

__all__ = [
    "AskedTags",
    "Catalogue",
    "Check",
    "Checks",
    "LayerIndex",
    "LookLog",
    "NotTracked",
    "Outcome",
    "Overview",
    "RefreshRequests",
    "Refresher",
    "Schedule",
    "Summary",
    "Surveyor",
    "TrackedImage",
    "TrackedImages",
    "parse_image",
]
