"""Checks the URLs in the settings."""

import re
from urllib.parse import urlsplit

# No user name and password, which would be published, and no characters that would break the markup of a badge.
_URL = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[\w.~/-]*)?", re.ASCII | re.IGNORECASE)


def parse_url(text: str) -> str:
    """Return an http or https URL without the slash at its end. Raises ValueError."""
    if not _URL.fullmatch(text):
        raise ValueError("must be a URL such as https://badges.example.org")
    if urlsplit(text).port == 0:  # a port that is too large raises ValueError
        raise ValueError("its port cannot be 0")
    return text.rstrip("/")
