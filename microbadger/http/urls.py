"""Checks the URLs that an operator writes."""

import re
from urllib.parse import urlsplit

# Without a user and a password, which would be published, and without what a badge's markup could not hold.
_URL = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[\w.~/-]*)?", re.ASCII | re.IGNORECASE)


def parse_url(text: str) -> str:
    """Return an http or https URL without a slash at its end. Raises ValueError."""
    if not _URL.fullmatch(text):
        raise ValueError("must be a URL such as https://badges.example.org")
    if urlsplit(text).port == 0:  # one that is too large raises ValueError itself
        raise ValueError("its port cannot be 0")
    return text.rstrip("/")
