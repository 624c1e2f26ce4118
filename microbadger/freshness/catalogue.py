"""Publishes what is about all images: ``v1/images.json``, the home page, and what pages refer to.

Many checks share one writing. A long list then rests for a while.
"""

import json
import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Row, func, select

from microbadger.cdn import CdnPurge
from microbadger.freshness.checks import Checks, check_anew
from microbadger.freshness.last_check import check_of
from microbadger.freshness.private_reads import MAY_BE_NAMED
from microbadger.image import Repository, document_bytes, kept_repositories, parse_kept
from microbadger.logs import EventLog
from microbadger.site import (
    API,
    API_PAGE,
    CATALOGUE,
    HOME,
    LISTED_ON_HOME,
    ListEntry,
    Publisher,
    PublishError,
    SiteOptions,
    common_files,
    home_page,
    list_page,
    list_parts,
    listed,
    search,
)
from microbadger.store import CHECKS, RECORDS, Database, Leases, StoreError, read_value, write_value

log = EventLog(__name__)

_RETRY_SECONDS = 30.0
_SHORT = 1000
_REST_SECONDS_AN_IMAGE = 0.002  # a hundred times what writing its entry takes
_WRITTEN = "lists_written"
_ROWS_AT_ONCE = 1000

_LISTED = (
    select(CHECKS, RECORDS.c.entry)
    .select_from(CHECKS.outerjoin(RECORDS, CHECKS.c.image == RECORDS.c.image))
    .where(MAY_BE_NAMED)
    .order_by(CHECKS.c.name)
)


class Catalogue:
    """The lists of all images, which are made from the database."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        checks: Checks,
        publisher: Publisher,
        options: SiteOptions,
        cdn: CdnPurge,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._leases = leases
        self._checks = checks
        self._publisher = publisher
        self._options = options
        self._cdn = cdn
        self._clock = clock
        self._rest_until = float("-inf")
        self._damaged: set[Repository] = set()
        """Images whose entry is damaged: a check makes it anew."""

    def publish_if_stale(self) -> None:
        """Publish if the lists say something else than when they were published last.

        Where that cannot be done it is logged, and tried again a little later.
        """
        if self._clock() < self._rest_until:
            return
        try:
            with self._database.read() as connection:
                is_stale = self._version(connection) != read_value(connection, _WRITTEN)
            if is_stale:
                self.publish()
        except (StoreError, PublishError) as error:
            self._rest_until = self._clock() + _RETRY_SECONDS
            log.error("lists_not_published", error=error)

    def publish(self) -> None:
        """Write the lists and what pages refer to. Raises PublishError and StoreError."""
        with self._leases.hold("lists"), self._database.read() as connection:
            version, count = self._version(connection), self._count(connection)
            changed = [CATALOGUE] if self._publisher.write_parts(CATALOGUE, self._list(connection, count)) else []
            home = self._home_page(connection, count)
        files = {HOME: lambda: home, **common_files(self._options)}
        changed += self._publisher.publish(files, {API, API_PAGE} - files.keys())  # a static site has none
        with self._database.write() as connection:
            write_value(connection, _WRITTEN, version)
            while self._damaged:
                check_anew(connection, self._damaged.pop())
        self._cdn.add(changed)
        self._rest_until = self._clock() + (_REST_SECONDS_AN_IMAGE * count if count > _SHORT else 0)

    def make(self, path: str) -> bytes | None:
        """Make one of these files that is missing, and return its content; None where there is no such file."""
        if path in (CATALOGUE, HOME):
            return self._make_list(path)
        make = common_files(self._options).get(path)
        if make is None:
            return None
        content = make()
        self._publisher.write_if_possible(path, content)
        return content

    def search(self, term: str, at_most: int) -> list[str]:
        """Return the names of the images that a term fits best."""
        with self._database.read() as connection:
            return search(connection, term, at_most, MAY_BE_NAMED)

    def page(self, number: int, size: int) -> bytes:
        """Return one page of the list as a document of its own."""
        with self._database.read() as connection:
            rows = connection.execute(_LISTED.limit(size).offset((number - 1) * size)).all()
            return list_page(map(self._entry, rows), number, size, self._count(connection))

    def _make_list(self, path: str) -> bytes:
        """Make a list that is missing, while no other list is written: it must not replace a newer one."""
        with self._leases.hold("lists"), self._database.read() as connection:
            count = self._count(connection)
            content = self._home_page(connection, count) if path == HOME else b"".join(self._list(connection, count))
            self._publisher.write_if_possible(path, content)
        return content

    def _list(self, connection: Connection, count: int) -> Iterator[bytes]:
        rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(_LISTED)
        return list_parts(count, map(self._entry, rows))

    def _home_page(self, connection: Connection, count: int) -> bytes:
        rows = connection.execute(_LISTED.limit(LISTED_ON_HOME))
        return home_page([json.loads(self._entry(row)) for row in rows], count, self._options)

    def _entry(self, row: "Row[tuple[object, ...]]") -> bytes:
        """Return what the list says of an image: what its record has, and its state."""
        check = check_of(row)
        is_whole = _is_entry(row.entry)
        if row.entry is not None and not is_whole:
            self._damaged.update(kept_repositories([row.image]))
        entry = row.entry if is_whole else document_bytes({"ImageName": row.name}).decode()
        return listed(entry, check.state(self._checks.now()), check.reason)

    def _count(self, connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(CHECKS).where(MAY_BE_NAMED)).scalar_one()

    def _version(self, connection: Connection) -> str:
        return f"{self._checks.lists_version(connection)} {self._checks.edition}"


def _is_entry(text: str | None) -> bool:
    """Return whether the entry that is kept of an image is whole."""
    return parse_kept(text, ListEntry) is not None
