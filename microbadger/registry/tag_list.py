"""Reads the list of tags of a repository page by page, up to the first page that cannot be read.

An answer without a list, with the list of another repository, or with only invalid entries is an error. It never
counts as an empty list, because all known tags would be dropped then.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from microbadger.http import Answer
from microbadger.image import Repository, is_digest, is_tag, parse_object
from microbadger.registry.errors import BadAnswer, RegistryError
from microbadger.registry.headers import next_query

_MAX_PAGES = 1000
_MAX_TAGS = 200_000
_SIZES = ("n=1000", "n=100", "")  # ECR allows at most 1000; other registries allow less, or refuse any size
_NOT_ABOUT_SIZE = {401, 404, 429}
_SIZE_IS_REFUSED = {500, 501}
_PATH = re.compile(r"/v2/([^?#]+)/tags/")

Ask = Callable[[str, Collection[int]], Answer]
"""Returns the page for a query, without retries after the given statuses. Raises RegistryError."""


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags that were read, in the registry's order, each once.

    `trouble` is the error after which others may be missing, or None if the list is complete.
    """

    names: list[str]
    trouble: RegistryError | None


def read_tags(
    repository: Repository,
    ask: Ask,
    bad: Callable[[str], BadAnswer],
    before_page: Callable[[], object],
    *,
    is_guess: bool = False,
) -> TagList:
    """Return the tags on all pages up to the first that cannot be read.

    `bad` makes the error for an invalid answer, and ``before_page`` is called before each request. Because a registry
    may refuse only the page size, other sizes are tried, but not after 403 or 410 if the repository ``is_guess``: then
    it probably does not exist.
    """
    names: dict[str, None] = {}
    try:
        for page in _pages(repository, ask, bad, before_page, {403, 410} if is_guess else ()):
            names |= dict.fromkeys(page)
            if len(names) > _MAX_TAGS:
                raise bad(f"it lists more than {_MAX_TAGS:,} tags")
    except RegistryError as error:
        return TagList(list(names)[:_MAX_TAGS], error)
    return TagList(list(names), None)


def _pages(
    repository: Repository,
    ask: Ask,
    bad: Callable[[str], BadAnswer],
    before_page: Callable[[], object],
    believed: Collection[int],
) -> Iterator[list[str]]:
    query, answer = _first_page(ask, before_page, believed)
    seen = {query}
    while True:
        yield _names(repository, answer, bad)
        following = next_query(answer, bad, "its list of tags")
        if following is None:
            return
        if following in seen or len(seen) == _MAX_PAGES:
            raise bad("its list of tags repeats a page or has too many pages")
        seen.add(following)
        before_page()
        answer = ask(following, ())


def _first_page(ask: Ask, before_page: Callable[[], object], believed: Collection[int]) -> tuple[str, Answer]:
    """Return the query and the answer for the first page, in a size that the registry accepts."""
    *sizes, last = _SIZES
    for query in sizes:
        before_page()
        try:
            return query, ask(query, (408, *_SIZE_IS_REFUSED))
        except RegistryError as error:
            if error.status in believed or not _is_about_size(error.status):
                raise
    before_page()
    return last, ask(last, ())


def _is_about_size(status: int | None) -> bool:
    if status is None or status in _NOT_ABOUT_SIZE:
        return False
    return 400 <= status < 500 or status in _SIZE_IS_REFUSED


def _names(repository: Repository, answer: Answer, bad: Callable[[str], BadAnswer]) -> list[str]:
    """Return the tags on a page, without the nulls that Nexus lists and the digests that Artifactory lists."""
    try:
        fields = parse_object(answer.body)
    except ValueError as error:
        raise bad("its list of tags is not JSON") from error
    if "tags" not in fields or "errors" in fields:
        raise bad("its list of tags is missing")
    tags = fields["tags"]
    if tags is None:  # registries written in Go send null for an empty list
        tags = []
    if not isinstance(tags, list):
        raise bad("its list of tags is not a list")
    names = [tag for tag in tags if isinstance(tag, str) and is_tag(tag)]
    if not (_is_about if names else _is_exactly_about)(repository, answer.url, fields.get("name")):
        raise bad("its list of tags is for another repository")
    if not names and not all(isinstance(tag, str) and is_digest(tag) for tag in tags):
        raise bad("its list of tags contains no valid tag")
    return names


def _is_about(repository: Repository, url: str, name: object) -> bool:
    """Return whether a list of tags belongs to a repository, judged by the name in the list, if it has one.

    A registry behind a proxy, or one that mirrors others, may use a longer or shorter path. After a redirect to another
    registry, the name is the path there.
    """
    if name is None or name == "":
        return True
    if not isinstance(name, str):
        return False
    paths = _paths(repository, url)
    return any(_ends_with(name.lower(), path.lower()) or _ends_with(path.lower(), name.lower()) for path in paths)


def _is_exactly_about(repository: Repository, url: str, name: object) -> bool:
    """Return whether an empty list names the repository exactly. It must, because it removes all tags."""
    return name in _paths(repository, url)


def _paths(repository: Repository, url: str) -> tuple[str, ...]:
    """Return the path of a repository, and the path in the URL that answered, after any redirects."""
    asked = _PATH.search(url)
    return repository.path, asked[1] if asked else repository.path


def _ends_with(path: str, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")
