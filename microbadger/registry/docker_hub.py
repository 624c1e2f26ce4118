"""Reads from Docker Hub's web API what its registry does not offer, and what a hundred tags name in one request.

The API is described at https://docs.docker.com/reference/api/hub/latest/, except for what matters most: the order
of the tags, their `digest` and their `media_type`. It can lag behind the registry, is limited apart from pulls, and
refuses to page far without a login. So nothing depends on it: what it says of a tag decides only whether the registry
is asked, and where it does not answer well the result is None.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from microbadger.image import DOCKER_HUB, MANIFEST_TYPES, HubDetails, Repository, is_digest, is_tag, parse_object
from microbadger.logs import EventLog
from microbadger.registry.errors import NotFound, RegistryError
from microbadger.registry.transport import Request, Transport

log = EventLog(__name__)

T = TypeVar("T")

_TAGS_A_PAGE = 100  # the API gives no more
_MAX_BYTES = 4 * 1024**2
_REST_SECONDS = 60
_MAX_COUNT = 2**63 - 1
_MAX_SIZE_BYTES = 2**50
_MAX_DESCRIPTION_LENGTH = 1000
_FIRST_RELEASE_OF_DOCKER = datetime(2013, 3, 20, tzinfo=UTC)
_PLATFORM_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")  # UTF-8 or XML cannot hold most of them
# Where a tag does not name an index, the media type in the API is that of the image's config.
_TYPES_OF_ONE_IMAGE = (
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    *MANIFEST_TYPES,
)


@dataclass(frozen=True, slots=True)
class HubImage:
    """A tag's image for one platform, with the size of its layers; None for what is unknown."""

    os: str
    architecture: str
    variant: str | None
    digest: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class HubTag:
    """A tag at Docker Hub; the digest is that of its registry, or None where that is not certain."""

    name: str
    digest: str | None
    images: tuple[HubImage, ...]
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HubTags:
    """Tags of a repository, the newest first; `is_complete` if Docker Hub counts no others."""

    tags: tuple[HubTag, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class TagsPage:
    """One answer of the list of tags, and how many tags it says there are on all pages."""

    tags: tuple[HubTag, ...]
    count: int | None
    is_last: bool


class DockerHub:
    """The web API at `url`, or nothing if that is empty. After a failure it is left alone for a minute."""

    def __init__(self, transport: Transport, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._url = url
        self._host = urlsplit(url).netloc  # not the registry's name: what limits one must not hold up the other
        self._clock = clock
        self._left_alone_until = float("-inf")

    def details(self, repository: Repository) -> HubDetails | None:
        """Return Docker Hub's description of an image; None for other registries, and where it does not answer well."""
        try:
            return self._ask(repository, "", "details", parse_details)
        except NotFound:
            return None

    def tags(self, repository: Repository, at_most: int) -> HubTags | None:
        """Return the tags pushed last, at most so many; None where none could be read.

        The list can lag: a tag that is missing from a complete one may exist all the same. Raises NotFound where Docker
        Hub says that it has no such repository.
        """
        tags: dict[str, HubTag] = {}
        page = None
        for page in self._pages(repository, -(-at_most // _TAGS_A_PAGE)):
            tags |= {tag.name: tag for tag in page.tags}  # a push in between moves a tag on to the next page
        if page is None or not tags:
            return None
        is_complete = page.is_last and page.count == len(tags) <= at_most
        return HubTags(tuple(tags.values())[:at_most], is_complete)

    def _pages(self, repository: Repository, limit: int) -> Iterator[TagsPage]:
        """Yield pages by number: what an answer names as the next one could lead anywhere."""
        for number in range(1, limit + 1):
            path = f"/tags?page={number}&page_size={_TAGS_A_PAGE}&ordering=last_updated"
            page = self._ask(repository, path, "tags", parse_tags_page)
            if page is not None:
                yield page
            if page is None or page.is_last:
                return

    def _ask(self, repository: Repository, path: str, kind: str, parse: Callable[[bytes], T | None]) -> T | None:
        """Return the content of a successful answer; None for any other, and where there is nothing to ask.

        Raises NotFound.
        """
        namespace, _, name = repository.path.partition("/")
        is_there = repository.registry == DOCKER_HUB and "/" not in name
        if not self._url or not is_there or self._clock() < self._left_alone_until:
            return None
        url = f"{self._url}/v2/namespaces/{namespace}/repositories/{name}{path}"
        # No retry: the image's lease is held meanwhile, and the registry has all that matters.
        request = Request("GET", url, host=self._host, home=self._url, kind=kind, max_bytes=_MAX_BYTES, max_retries=0)
        try:
            answer = self._transport.send(request)
        except RegistryError as error:
            if error.temporary:
                self._left_alone_until = self._clock() + _REST_SECONDS
            log.info("docker_hub_failed", image=repository.familiar, asked=kind, error=error)
            return None
        if answer.status == 404:
            raise NotFound(f"Docker Hub has no repository {repository.path}", host=self._host, status=404)
        return parse(answer.body) if answer.status == 200 else None


def parse_details(body: bytes) -> HubDetails | None:
    """Return the description of a repository in an answer, field by field; None where no field is usable."""
    fields = _fields(body)
    details = HubDetails(
        description=_line(fields.get("description")),
        last_updated=_time(fields.get("last_updated")),
        pull_count=_number(fields.get("pull_count"), _MAX_COUNT),
        star_count=_number(fields.get("star_count"), _MAX_COUNT),
    )
    return None if details == HubDetails() else details


def parse_tags_page(body: bytes) -> TagsPage | None:
    """Return the tags on a page of the list, without what is not a tag; None for what is not a page."""
    fields = _fields(body)
    rows = fields.get("results")
    if not isinstance(rows, list):
        return None
    tags = tuple(tag for row in rows if isinstance(row, dict) and (tag := _tag(row)))
    return TagsPage(tags, _number(fields.get("count"), _MAX_COUNT), is_last=not fields.get("next"))


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        return parse_object(body)
    except ValueError:
        return {}


def _tag(fields: Mapping[str, object]) -> HubTag | None:
    """Return a tag, an "inactive" one too: that only means that it was not pushed or pulled for a month."""
    name, rows = fields.get("name"), fields.get("images")
    if not isinstance(name, str) or not is_tag(name):
        return None
    rows = rows if isinstance(rows, list) else []
    images = tuple(image for row in rows if isinstance(row, dict) and (image := _image(row)))
    digest = _digest(fields.get("digest"))
    # With anything beside it the image stands in an index, and the tag names that.
    if len(rows) == len(images) == 1 and fields.get("media_type") in _TYPES_OF_ONE_IMAGE:
        digest = digest or images[0].digest
    return HubTag(name, digest, images, _time(fields.get("tag_last_pushed")) or _time(fields.get("last_updated")))


def _image(fields: Mapping[str, object]) -> HubImage | None:
    """Return an image; None for what has no platform, such as an attestation."""
    os, architecture = _platform_name(fields.get("os")), _platform_name(fields.get("architecture"))
    if os is None or architecture is None or os == architecture == "unknown":
        return None
    size_bytes = _number(fields.get("size"), _MAX_SIZE_BYTES) or None  # it says 0 where it does not know
    return HubImage(os, architecture, _platform_name(fields.get("variant")), _digest(fields.get("digest")), size_bytes)


def _platform_name(value: object) -> str | None:
    return value if isinstance(value, str) and _PLATFORM_NAME.fullmatch(value) else None


def _digest(value: object) -> str | None:
    return value if isinstance(value, str) and is_digest(value) else None


def _number(value: object, limit: int) -> int | None:
    return value if type(value) is int and 0 <= value <= limit else None


def _line(value: object) -> str | None:
    """Return a text as one line that every file can hold; None if it is empty."""
    words = _UNPRINTABLE.sub(" ", value).split() if isinstance(value, str) else []
    return " ".join(words)[:_MAX_DESCRIPTION_LENGTH] or None


def _time(value: object) -> datetime | None:
    """Return a time in UTC; None for anything else, and for one before Docker, such as 0001 or 1970: it is not set."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment >= _FIRST_RELEASE_OF_DOCKER else None
