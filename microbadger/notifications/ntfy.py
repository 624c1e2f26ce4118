"""Writes a message as ntfy takes it at the URL of a topic: the text is the body, and headers hold everything else.

https://docs.ntfy.sh/publish/ lists the headers; text beyond ASCII in one is encoded as in RFC 2047.
"""

from base64 import b64encode


def ntfy_headers(title: str, page_url: str) -> dict[str, str]:
    """Return the headers of a message that leads to a page."""
    return {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": _encoded(title),
        "Tags": "package",
        "Click": page_url,
    }


def _encoded(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="
