"""Makes badges: writes a fact about an image as two short texts, and draws them as SVG.

Pure: no module here does any input or output.
"""

from microbadger.badges.svg import STYLES, badge_of, draw, endpoint_document, restyled
from microbadger.badges.text import (
    BADGE_TYPES,
    CHANGED_BY_PRE_RELEASES,
    Badge,
    VersionNotFound,
    badges_of,
    count_text,
    layers_text,
    not_found_badge,
    pending_badge,
    platforms_text,
)

__all__ = [
    "BADGE_TYPES",
    "CHANGED_BY_PRE_RELEASES",
    "STYLES",
    "Badge",
    "VersionNotFound",
    "badge_of",
    "badges_of",
    "count_text",
    "draw",
    "endpoint_document",
    "layers_text",
    "not_found_badge",
    "pending_badge",
    "platforms_text",
    "restyled",
]
