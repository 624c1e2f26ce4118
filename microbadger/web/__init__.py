"""The HTTP routes and their status codes."""

from microbadger.web.service import Web

__all__ = [
    "Web",
]
