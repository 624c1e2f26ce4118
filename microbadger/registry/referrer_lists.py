"""Reads the list of referrers of a digest, and remembers which registries do not offer such lists.

A registry that supports the referrers API answers with an index, even for a digest that it does not have. Any other
answer means that it does not support the API, unless the answer is about the repository.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
"""

from collections.abc import Callable
from contextlib import suppress

from microbadger.http import Answer
from microbadger.image import OCI_INDEX, InvalidManifest, Referrers, parse_referrers
from microbadger.registry.errors import BadAnswer, NotFound, RegistryError
from microbadger.registry.headers import media_type, next_query
from microbadger.store import Database, StoreError, read_value, write_value

MAX_BYTES = 4 * 1024**2
"""The limit for all pages of a list together."""

_MAX_PAGES = 100
_NOT_OFFERED = {400, 404, 405, 406, 410, 501}
_REMEMBERED_SECONDS = 86400.0
_KEY = "no_referrers_until:{}"

Ask = Callable[[str, int], Answer]
"""Returns the page for a query, of at most so many bytes. Raises RegistryError."""


class NotOffered(Exception):
    """A registry does not offer lists of referrers. ``is_general`` if this holds for all its repositories."""

    def __init__(self, *, is_general: bool) -> None:
        super().__init__("the registry offers no lists of referrers")
        self.is_general = is_general


class WithoutReferrers:
    """The registries that offer no lists of referrers. All processes remember them for a day."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def __contains__(self, host: str) -> bool:
        until = None
        with suppress(StoreError), self._database.read() as connection:  # on failure, the registry is asked again
            until = read_value(connection, _KEY.format(host))
        try:
            left_seconds = float(until or 0) - self._clock()
        except ValueError:
            return False
        return 0 < left_seconds <= _REMEMBERED_SECONDS  # longer if the clock was set back

    def add(self, host: str) -> None:
        """Remember that a registry offers no lists of referrers."""
        with suppress(StoreError), self._database.write() as connection:
            write_value(connection, _KEY.format(host), str(self._clock() + _REMEMBERED_SECONDS))


def read_referrers(ask: Ask, bad: Callable[[str], BadAnswer]) -> Referrers:
    """Return the referrers on all pages. `bad` makes the error to raise for an invalid answer.

    Raises NotOffered and RegistryError.
    """
    query: str | None = ""
    seen: set[str] = set()
    referrers, left_bytes = Referrers(), MAX_BYTES
    while query is not None:
        if query in seen or len(seen) == _MAX_PAGES:
            raise bad("its list of referrers repeats a page or has too many pages")
        seen.add(query)
        answer = _page(ask, query, left_bytes)
        left_bytes -= len(answer.body)
        try:
            referrers = referrers.and_more(parse_referrers(answer.body))
        except InvalidManifest as error:
            raise bad(f"its list of referrers is invalid: {error.reason}") from error
        query = None if referrers.is_cut else next_query(answer, bad, "its list of referrers")
    return referrers


def _page(ask: Ask, query: str, max_bytes: int) -> Answer:
    try:
        answer = ask(query, max_bytes)
    except RegistryError as error:
        if query or error.status not in _NOT_OFFERED:
            raise
        is_about_repository = isinstance(error, NotFound) and error.is_of_repository
        raise NotOffered(is_general=not is_about_repository) from error
    if not query and media_type(answer) != OCI_INDEX:
        raise NotOffered(is_general=True)
    return answer
