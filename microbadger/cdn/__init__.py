"""Makes a CDN forget what changed."""

from microbadger.cdn.scratch import Cdn, PurgeStatus
from microbadger.cdn.target import Cloudflare, PurgeMethod, Target, parse_target

__all__ = [
    "Cdn",
    "Cloudflare",
    "PurgeMethod",
    "PurgeStatus",
    "Target",
    "parse_target",
]
