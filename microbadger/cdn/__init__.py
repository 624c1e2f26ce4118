"""Purges changed files from a CDN."""

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
