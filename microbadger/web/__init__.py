"""Routes and status codes."""

from microbadger.web.service import Web

__all__ = [
    "Web",
]
