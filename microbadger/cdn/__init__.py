"""Makes a CDN forget what changed."""

from microbadger.cdn.purge import CdnPurge, Status
from microbadger.cdn.sender import CdnSender
from microbadger.cdn.target import Cloudflare, PurgeMethod, Target, parse_target

__all__ = [
    "CdnPurge",
    "CdnSender",
    "Cloudflare",
    "PurgeMethod",
    "Status",
    "Target",
    "parse_target",
]
