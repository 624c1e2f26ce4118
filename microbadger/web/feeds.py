"""Answers with the part of an image's feed that the query selects."""

from flask import Response
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from microbadger.freshness import Freshness
from microbadger.image import InvalidPatterns, Repository, check_patterns
from microbadger.site import KINDS, filtered_feed
from microbadger.web.answers import file_answer

FILTERS = frozenset({"tag", "kind"})
"""The arguments of a query that choose a part of a feed."""

_MOST_PATTERNS = 10


def filtered_feed_answer(
    freshness: Freshness, repository: Repository, arguments: MultiDict[str, str], base_url: str
) -> Response | None:
    """Return a feed of the selected tags and kinds of changes, or None if the image has no public record.

    Raise BadRequest with a sentence for patterns or kinds that make no sense.
    """
    patterns, kinds = _patterns(arguments.getlist("tag")), _kinds(arguments.getlist("kind"))
    if freshness.published(repository) is None:
        return None
    log = freshness.records.changes(repository)
    content = filtered_feed(log, patterns, kinds, base_url)
    return file_answer(content, "feed.xml")


def _patterns(texts: list[str]) -> list[str]:
    try:
        check_patterns(texts, _MOST_PATTERNS)
    except InvalidPatterns as error:
        raise BadRequest(str(error)) from error
    return list(dict.fromkeys(texts))


def _kinds(texts: list[str]) -> set[str]:
    asked = {kind for text in texts for kind in text.split(",")}
    if unknown := sorted(asked - set(KINDS)):
        raise BadRequest(f"Invalid kind {unknown[0][:100]!r}: must be one of {', '.join(KINDS)}.")
    return asked or set(KINDS)
