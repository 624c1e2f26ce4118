"""Removes secrets from what is about to be logged, as a last line of defence: nothing logs one on purpose.

Secrets from the settings are known, and found anywhere, also in the form that a URL, JSON or Python gives them. Other
secrets are found by their form: a webhook's token at the end of a path, what follows ``Bearer``, and the query of a
URL, which is a signature where blobs are stored. From the messages of libraries every path is removed as well, for the
URL of a receiver of notifications can hold its secret there.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
_SHORTEST = 4  # shorter ones occur in every other word
_FORMS = (
    # RFC 6750 and RFC 7617: the value of an Authorization header.
    (re.compile(r"\b(Bearer|Basic) +(?!realm=)[\w.~+/=-]{4,}", re.ASCII | re.IGNORECASE), rf"\1 {HIDDEN}"),
    # RFC 7519: a token, anywhere. What follows a part is looked at once for the part, not again for each "eyJ" in it:
    # a stranger's text of a megabyte can hold a quarter of a million of them.
    (
        re.compile(r"(?<![\w-])(?=[\w-]++\.[\w-]++\.)([\w-]*?)\beyJ[\w-]++\.[\w-]++\.[\w-]*+", re.ASCII),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<=//)[^\s/@\"']+@"), f"{HIDDEN}@"),  # the user and the password of a URL
    (re.compile(r"\?[^\s?\"'<>]*=[^\s\"'<>]*"), f"?{HIDDEN}"),
    # A webhook's token: 32 bytes of base64url, in which there is an upper-case letter and in no repository.
    (re.compile(r"(?<=/)(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])", re.ASCII), HIDDEN),
)
_PATHS = (
    (re.compile(r"\b(https?://[^\s/\"'<>]+)/[^\s\"'<>]+", re.IGNORECASE), rf"\1/{HIDDEN}"),
    (re.compile(r"(?<=with url: )\S+"), HIDDEN),  # as urllib3 writes it
)


class Redaction:
    """Removes secrets from texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        written = {form for secret in secrets if len(secret) >= _SHORTEST for form in _written(secret)}
        longest_first = sorted(written, key=lambda text: (-len(text), text))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def of(self, text: str) -> str:
        """Return a text of our own without the secrets in it."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for form, instead in _FORMS:
            text = form.sub(instead, text)
        return text

    def of_foreign(self, text: str) -> str:
        """Return the message of a library without the secrets in it, and with only the host of each URL."""
        for form, instead in _PATHS:
            text = form.sub(instead, text)
        return self.of(text)


def _written(secret: str) -> set[str]:
    """Return the forms that a secret can have in a text."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        secret.encode("utf-8", "replace").decode("latin-1"),  # as WSGI decodes a header
        base64.b64encode(secret.encode("utf-8", "replace")).decode(),
    }
