"""Removes secrets from log lines. This is a last line of defence, because no code logs a secret on purpose.

Secrets from the settings are known, and are found anywhere, even as URLs, JSON or Python encode them. Other secrets are
found by their form: the token of a webhook in a path, a token after ``Bearer``, and the query of a URL, which may be
the signature of a link to a blob. In messages of libraries, the paths of URLs are removed as well, because the path of
a notification URL can be a secret.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
_SHORTEST = 4  # shorter secrets would occur in many words
_FORMS = (
    # RFC 6750 and RFC 7617: the value of an Authorization header.
    (re.compile(r"\b(Bearer|Basic) +(?!realm=)[\w.~+/=-]{4,}", re.ASCII | re.IGNORECASE), rf"\1 {HIDDEN}"),
    # RFC 7519: a JSON Web Token, anywhere. The lookahead runs once for each dotted word, not for each "eyJ" in it: an
    # untrusted text of a megabyte can contain a quarter of a million of them.
    (
        re.compile(r"(?<![\w-])(?=[\w-]++\.[\w-]++\.)([\w-]*?)\beyJ[\w-]++\.[\w-]++\.[\w-]*+", re.ASCII),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<=//)[^\s/@\"']+@"), f"{HIDDEN}@"),  # the user and the password of a URL
    (re.compile(r"\?[^\s?\"'<>]*=[^\s\"'<>]*"), f"?{HIDDEN}"),
    # The token of a webhook: 32 bytes in base64url. It has an upper-case letter, which no repository name has.
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
        """Return a text of this service without the secrets in it."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for form, instead in _FORMS:
            text = form.sub(instead, text)
        return text

    def of_foreign(self, text: str) -> str:
        """Return a message of a library without the secrets in it. Only the host of each URL is kept."""
        for form, instead in _PATHS:
            text = form.sub(instead, text)
        return self.of(text)


def _written(secret: str) -> set[str]:
    """Return the encoded forms in which a secret can occur in a text."""
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
