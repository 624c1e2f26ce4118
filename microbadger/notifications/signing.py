"""Signs messages so that a receiver can tell that they are ours, whole and new.

The scheme is that of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, for
which receivers find a library in most languages: an HMAC-SHA256 over id, time and body with a secret that only the
receiver knows besides us.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

_PREFIX = "whsec_"
_SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    """Return a secret for one subscription, in the form in which receivers are told it."""
    return _PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that a message is sent with at a time, given in seconds since 1970.

    A message keeps its id however often it is sent; neither id nor time holds a full stop, which parts them.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = hmac.digest(b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }
