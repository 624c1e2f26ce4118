"""Publishes the files about all images: ``v1/images.json``, the home page, ``feed.xml``, and the common files.

The common files are the assets of pages, ``robots.txt``, the guide and the description of the API. The lists are not
written after each check, but once for many checks. After a long list was written, it is left alone for a while.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice

from sqlalchemy import Connection, Row, Select, func, select

from microbadger.cdn import CdnPurge
from microbadger.freshness.checks import Checks, check_anew
from microbadger.freshness.last_check import check_of
from microbadger.freshness.private_reads import MAY_BE_NAMED
from microbadger.freshness.recent_changes import recent_changes
from microbadger.image import DOCKER_HUB, Repository, document_bytes, kept_repositories, parse_kept
from microbadger.logs import EventLog
from microbadger.site import (
    API,
    API_PAGE,
    CATALOGUE,
    FEED_OF_ALL,
    HOME,
    LISTED_ON_HOME,
    MOST_ENTRIES_OF_ALL,
    MOST_ON_A_PAGE,
    ListEntry,
    PublicTree,
    PublishError,
    SiteOptions,
    common_files,
    feed_of_all,
    home_page,
    in_pages,
    list_file,
    list_page,
    list_page_number,
    list_page_path,
    listed,
    search,
)
from microbadger.store import (
    CHECKS,
    RECORDS,
    Database,
    Lease,
    LeaseLost,
    Leases,
    StoreError,
    read_value,
    write_value,
)

log = EventLog(__name__)

_RETRY_SECONDS = 5.0
_SHORT = 1000
_REST_SECONDS_AN_IMAGE = 0.002  # a hundred times as long as it takes to write the entry of an image
_WRITTEN = "lists_written"
_PAGES = "list_pages"
_PAGE_COUNT = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_ROWS_AT_ONCE = 1000

_LISTED = (
    select(CHECKS, RECORDS.c.entry)
    .select_from(CHECKS.outerjoin(RECORDS, CHECKS.c.image == RECORDS.c.image))
    .where(MAY_BE_NAMED)
    .order_by(CHECKS.c.name)
)
_NAMES = (
    select(CHECKS.c.image).select_from(CHECKS.join(RECORDS, CHECKS.c.image == RECORDS.c.image)).where(MAY_BE_NAMED)
)
_FIRST = {"recent": [RECORDS.c.updated_at.desc()], "featured": [RECORDS.c.pull_count.desc()]}
_OF_DOCKER_HUB = CHECKS.c.image.startswith(f"{DOCKER_HUB}/", autoescape=True)


class Catalogue:
    """Makes the lists of all images from the database, and publishes them."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        checks: Checks,
        publisher: PublicTree,
        options: SiteOptions,
        cdn: CdnPurge,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_on_a_page: int = MOST_ON_A_PAGE,
    ) -> None:
        self._database = database
        self._leases = leases
        self._checks = checks
        self._publisher = publisher
        self._options = options
        self._cdn = cdn
        self._clock = clock
        self._most_on_a_page = most_on_a_page
        self._rest_until = float("-inf")
        self._damaged: set[Repository] = set()
        """Images whose stored entry is damaged; the next check of the image makes a new one."""

    def publish_if_stale(self) -> None:
        """Publish the lists if they have changed since they were last published.

        A failure is logged, and the lists are tried again a few seconds later.
        """
        if self._clock() < self._rest_until:
            return
        try:
            with self._database.read() as connection:
                version, written = self._version(connection), read_value(connection, _WRITTEN) or ""
            if version != written:
                self.publish(with_common_files=not written.endswith(f" {self._checks.edition}"))
        except (StoreError, PublishError) as error:
            self._rest_until = self._clock() + _RETRY_SECONDS
            log.error("lists_not_published", error=error)

    def publish(self, *, with_common_files: bool = True) -> None:
        """Write the lists and, if ``with_common_files``, the common files, which only a new edition changes.

        Raises PublishError and StoreError.
        """
        with self._leases.hold("lists") as lease:  # for all files, so that no older page replaces a newer one
            with self._database.read() as connection:
                version, count = self._version(connection), self._count(connection)
                try:
                    changed, pages = self._write_list(connection, count, lease)
                except LeaseLost as error:
                    raise PublishError("the lists are being written by another process") from error
                home, feed = self._home_page(connection, count), self._feed(connection)
            files: dict[str, Callable[[], bytes]] = {HOME: lambda: home, FEED_OF_ALL: lambda: feed}
            gone = set[str]()
            if with_common_files:
                files |= common_files(self._options)
                gone = {API, API_PAGE} - files.keys()  # a static site has no API
            changed += self._publisher.publish(files, gone)
            with self._database.write() as connection:
                write_value(connection, _WRITTEN, version)
                write_value(connection, _PAGES, str(pages))
                while self._damaged:
                    check_anew(connection, self._damaged.pop())
        self._cdn.add(changed)
        self._rest_until = self._clock() + (_REST_SECONDS_AN_IMAGE * count if count > _SHORT else 0)

    def make(self, path: str) -> bytes | None:
        """Make a missing file about all images and return its content; None if this is not such a file."""
        if path in (HOME, FEED_OF_ALL) or list_page_number(path):
            return self._make_list(path)
        make = common_files(self._options).get(path)
        if make is None:
            return None
        content = make()
        self._publisher.write_if_possible(path, content)
        return content

    def search(self, term: str, at_most: int) -> list[str]:
        """Return the names of up to ``at_most`` images that match a term, the best match first."""
        with self._database.read() as connection:
            return search(connection, term, at_most, MAY_BE_NAMED)

    def page(self, number: int, size: int) -> bytes:
        """Return one page of the list of images, with ``size`` images on each page, as a JSON document."""
        with self._database.read() as connection:
            rows = connection.execute(_LISTED.limit(size).offset((number - 1) * size)).all()
            return list_page(map(self._entry, rows), number, size, self._count(connection))

    def names(self, order: str, number: int, size: int) -> tuple[list[Repository], int]:
        """Return one page of the images that were read successfully, and the number of all such images.

        With the order ``recent``, the images that changed last come first; with ``featured``, those with most pulls.
        With any other order, the images are sorted by name.
        """
        ordered = _NAMES.order_by(*_FIRST.get(order, []), CHECKS.c.name)
        with self._database.read() as connection:
            rows = connection.execute(ordered.limit(size).offset((number - 1) * size)).scalars()
            return kept_repositories(rows), self._count_of(connection, _NAMES)

    def count_of_docker_hub(self) -> int:
        """Return how many images of Docker Hub were read successfully."""
        with self._database.read() as connection:
            return self._count_of(connection, _NAMES.where(_OF_DOCKER_HUB))

    def _make_list(self, path: str) -> bytes | None:
        """Make a missing list; do not write it while all lists are written, or it could replace a newer one."""
        with self._leases.try_hold("lists") as lease, self._database.read() as connection:
            count = self._count(connection)
            if path == HOME:
                content: bytes | None = self._home_page(connection, count)
            elif path == FEED_OF_ALL:
                content = self._feed(connection)
            else:
                content = self._list_page(connection, count, list_page_number(path) or 1)
            if content and lease:
                self._publisher.write_if_possible(path, content)
        return content

    def _write_list(self, connection: Connection, count: int, lease: Lease) -> tuple[list[str], int]:
        """Write the list, its first page last; return the paths that changed and the number of pages.

        Surplus pages of an earlier, longer list are removed. The lease is renewed for each page, because writing very
        many pages takes longer than a lease lasts. Raises LeaseLost if another process has taken the lease.
        """
        known = _last_page_count(connection)
        pages = self._pages(connection, count)
        first, has_next = next(pages)
        number, changed = 1, list[str]()
        for number, (entries, is_followed) in enumerate(pages, 2):
            lease.renew()
            content = list_file(entries, number, self._options.base_url, has_next=is_followed)
            if self._publisher.write(list_page_path(number), content):
                changed.append(list_page_path(number))
        lease.renew()
        if self._publisher.write(CATALOGUE, self._first_page(first, number, count, has_next=has_next)):
            changed.append(CATALOGUE)
        surplus = (list_page_path(gone) for gone in range(number + 1, known + 1))
        return [*changed, *filter(self._publisher.remove, surplus)], number

    def _list_page(self, connection: Connection, count: int, number: int) -> bytes | None:
        """Return the content of the file of one page of the list; None if there is no such page."""
        known = _last_page_count(connection)
        if number > known:
            return None
        pages = self._pages(connection, count)
        entries, has_next = next(islice(pages, number - 1, None), ([], False))
        if number == 1:
            page_count = known if has_next and known > 1 else 1 + sum(1 for _ in pages)
            return self._first_page(entries, page_count, count, has_next=has_next)
        return list_file(entries, number, self._options.base_url, has_next=has_next) if entries else None

    def _first_page(self, entries: list[bytes], page_count: int, count: int, *, has_next: bool) -> bytes:
        return list_file(entries, 1, self._options.base_url, has_next=has_next, counts=(page_count, count))

    def _pages(self, connection: Connection, count: int) -> Iterator[tuple[list[bytes], bool]]:
        with connection.execute(_LISTED, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
            yield from in_pages(((row.name, self._entry(row)) for row in rows), count, self._most_on_a_page)

    def _home_page(self, connection: Connection, count: int) -> bytes:
        rows = connection.execute(_LISTED.limit(LISTED_ON_HOME))
        return home_page([json.loads(self._entry(row)) for row in rows], count, self._options)

    def _feed(self, connection: Connection) -> bytes:
        return feed_of_all(recent_changes(connection, MOST_ENTRIES_OF_ALL), self._options.base_url)

    def _entry(self, row: "Row[tuple[object, ...]]") -> bytes:
        """Return the list entry of an image: the entry in its record, with its current state."""
        check = check_of(row)
        is_whole = _is_entry(row.entry)
        if row.entry is not None and not is_whole:
            self._damaged.update(kept_repositories([row.image]))
        entry = row.entry if is_whole else document_bytes({"ImageName": row.name}).decode()
        return listed(entry, check.state(self._checks.now()), check.reason)

    def _count(self, connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(CHECKS).where(MAY_BE_NAMED)).scalar_one()

    def _count_of(self, connection: Connection, images: Select[tuple[str]]) -> int:
        return connection.execute(select(func.count()).select_from(images.subquery())).scalar_one()

    def _version(self, connection: Connection) -> str:
        return f"{self._checks.lists_version(connection)} {self._checks.edition}"


def _is_entry(text: str | None) -> bool:
    """Return whether the stored entry of an image is valid."""
    return parse_kept(text, ListEntry) is not None


def _last_page_count(connection: Connection) -> int:
    """Return how many pages the list had when it was last written; 1 if that is unknown."""
    kept = read_value(connection, _PAGES) or ""
    return int(kept) if _PAGE_COUNT.fullmatch(kept) else 1
