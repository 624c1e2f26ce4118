"""Formats messages for the URL of an ntfy topic: the body is the text, and headers hold everything else.

https://docs.ntfy.sh/publish/ lists the headers. Non-ASCII text in a header is encoded as in RFC 2047.
"""

from base64 import b64encode
from collections.abc import Sequence

_MOST_BYTES = 4096  # ntfy turns a longer message into an attachment


def ntfy_headers(title: str, page_url: str) -> dict[str, str]:
    """Return the headers of a message that opens a page when it is clicked."""
    return {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": _encoded(title),
        "Tags": "package",
        "Click": page_url,
    }


def ntfy_text(lines: Sequence[str]) -> str:
    """Join lines to one message. If they do not fit, leave out the last indented lines first."""
    kept = list(lines)
    while len("\n".join(kept).encode()) > _MOST_BYTES:
        indented = [number for number, line in enumerate(kept) if line.startswith(" ")]
        del kept[indented[-1] if indented else -1]
    return "\n".join(kept)


def _encoded(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="
