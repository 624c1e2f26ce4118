"""Makes a CDN forget what changed."""

from microbadger.cdn.purge import CdnPurge, Status
from microbadger.cdn.target import Cloudflare, PurgeMethod, Target, parse_target

__all__ = [
    "CdnPurge",
    "Cloudflare",
    "PurgeMethod",
    "Status",
    "Target",
    "parse_target",
]
