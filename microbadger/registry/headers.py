"""Reads headers of answers: the media type, and the link to the next page of a list.

Links to the next page name another scheme, an internal host or a path that lacks its start where a registry does not
know how it is reached (RTFACT-18971). Only their query is used, so none of that matters, and none leads anywhere else.
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
    """Return the query of the next page of what is listed; None if this is the last."""
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
    """Return the target of the link to the next page; some registries do not say that it is the next."""
    if "?" in header and not _LINK.search(header):
        return header.partition(";")[0].strip()  # without the brackets that RFC 8288 demands
    for target, parameters in _LINK.findall(header):
        relation = re.search(r";\s*rel\s*=\s*\"?([^\";,]*)", parameters, re.IGNORECASE)
        if relation is None or "next" in relation[1].lower().split():
            return str(target)
    return None
