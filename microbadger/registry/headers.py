"""Reads headers of answers: the media type, and the link to the next page of a list.

A registry behind a proxy may link to the next page with the wrong scheme, host or path (RTFACT-18971). Only the query
of the link is used, so such links work, and no link can send a request to another server.
"""

import re
from collections.abc import Callable

from microbadger.http import Answer
from microbadger.registry.errors import BadAnswer

_MAX_LINK_LENGTH = 8192
_MAX_MEDIA_TYPE_LENGTH = 255
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")


def media_type(answer: Answer) -> str:
    """Return the media type of an answer, without parameters; empty if it is missing or invalid."""
    text = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return text if len(text) <= _MAX_MEDIA_TYPE_LENGTH and _MEDIA_TYPE.fullmatch(text) else ""


def next_query(answer: Answer, bad: Callable[[str], BadAnswer], what: str) -> str | None:
    """Return the query of the link to the next page, or None on the last page.

    ``bad`` makes the error to raise for an invalid link, and ``what`` names the list in its message.
    """
    link = answer.headers.get("Link", "")
    if len(link) > _MAX_LINK_LENGTH:
        raise bad(f"the link to the next page of {what} is too long")
    target = _next_link(link)
    if target is None:
        return None
    query = target.partition("#")[0].partition("?")[2]
    if not query:
        raise bad(f"the link to the next page of {what} has no query")
    return query


def _next_link(header: str) -> str | None:
    """Return the target of the link to the next page, also if the link lacks `rel="next"`, as some registries send."""
    if "?" in header and not _LINK.search(header):
        return header.partition(";")[0].strip()  # the angle brackets that RFC 8288 requires are missing
    for target, parameters in _LINK.findall(header):
        relation = re.search(r";\s*rel\s*=\s*\"?([^\";,]*)", parameters, re.IGNORECASE)
        if relation is None or "next" in relation[1].lower().split():
            return str(target)
    return None
