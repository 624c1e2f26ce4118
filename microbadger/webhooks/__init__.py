"""Which images a payload is about; pure."""

from microbadger.webhooks.payload import (
    MAX_BODY_BYTES,
    hooks_token,
    image_token,
    is_signed_wrongly,
    is_token,
    read,
    references_to,
)

__all__ = [
    "MAX_BODY_BYTES",
    "hooks_token",
    "image_token",
    "is_signed_wrongly",
    "is_token",
    "read",
    "references_to",
]
