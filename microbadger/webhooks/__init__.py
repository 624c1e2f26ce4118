"""Reads which images a webhook payload is about, and makes the tokens of webhook URLs. There is no I/O here."""

from microbadger.webhooks.guessing import is_guessable
from microbadger.webhooks.payload import MAX_BODY_BYTES, is_signed_wrongly, read, references_to
from microbadger.webhooks.tokens import WebhookUrls, hooks_token, image_token, is_token

__all__ = [
    "MAX_BODY_BYTES",
    "WebhookUrls",
    "hooks_token",
    "image_token",
    "is_guessable",
    "is_signed_wrongly",
    "is_token",
    "read",
    "references_to",
]
