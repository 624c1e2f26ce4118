"""Signs messages. Receivers can then verify that a message comes from this service, is unchanged and is recent.

The signature is an HMAC-SHA256 over id, time and body, with a secret that only the service and the receiver know. There
are libraries for most languages, because the scheme is that of
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

_PREFIX = "whsec_"
_SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    """Return a secret for one subscription, in the form that receivers use."""
    return _PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Return whether messages can be signed with a stored secret, which may be damaged."""
    try:
        return bool(b64decode(text.removeprefix(_PREFIX)))
    except ValueError:
        return False


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that identify and sign a message sent at a Unix time.

    The id must not contain a full stop, because full stops separate id, time and body.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = hmac.digest(b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }
