"""Reads Docker Hub's web API: descriptions, which its registry does not offer, and the digests of 100 tags a request.

https://docs.docker.com/reference/api/hub/latest/ describes the API, but not the order of the tags, their `digest` or
their `media_type`. The API can lag behind the registry, has a rate limit of its own, and refuses distant pages without
a login. So nothing depends on it: its digests only decide whether the registry is asked about a tag, and the result is
None if it fails.
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
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")  # most are invalid in UTF-8 or in XML
# If a tag does not name an index, the API gives the media type of the image's config.
_TYPES_OF_ONE_IMAGE = (
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    *MANIFEST_TYPES,
)


@dataclass(frozen=True, slots=True)
class HubImage:
    """A tag's image for one platform, with the size of its layers. Unknown values are None."""

    os: str
    architecture: str
    variant: str | None
    digest: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class HubTag:
    """A tag at Docker Hub. `digest` is the digest in the registry, or None if that is uncertain."""

    name: str
    digest: str | None
    images: tuple[HubImage, ...]
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HubTags:
    """Tags of a repository, newest first; `is_complete` if Docker Hub counts no others."""

    tags: tuple[HubTag, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class TagsPage:
    """One page of the list of tags, and the number of tags on all pages according to the answer."""

    tags: tuple[HubTag, ...]
    count: int | None
    is_last: bool


class DockerHub:
    """Docker Hub's web API at `url`; if that is empty, nothing is requested.

    After a temporary failure, the API is left alone for a minute.
    """

    def __init__(self, transport: Transport, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._url = url
        self._host = urlsplit(url).netloc  # not the registry's name, because their rate limits are separate
        self._clock = clock
        self._left_alone_until = float("-inf")

    def details(self, repository: Repository) -> HubDetails | None:
        """Return Docker Hub's details of a repository, or None for other registries and after any failure."""
        try:
            return self._ask(repository, "", "details", parse_details)
        except NotFound:
            return None

    def tags(self, repository: Repository, at_most: int) -> HubTags | None:
        """Return the tags pushed last, at most `at_most`, or None if none could be read.

        The list can lag, so a tag may exist although it is missing from a complete list. Raises NotFound if Docker Hub
        says that it has no such repository.
        """
        tags: dict[str, HubTag] = {}
        page = None
        for page in self._pages(repository, -(-at_most // _TAGS_A_PAGE)):
            tags |= {tag.name: tag for tag in page.tags}  # a push between requests can repeat a tag on the next page
        if page is None or not tags:
            return None
        is_complete = page.is_last and page.count == len(tags) <= at_most
        return HubTags(tuple(tags.values())[:at_most], is_complete)

    def _pages(self, repository: Repository, limit: int) -> Iterator[TagsPage]:
        """Yield pages by number, because the link to the next page in an answer could point anywhere."""
        for number in range(1, limit + 1):
            path = f"/tags?page={number}&page_size={_TAGS_A_PAGE}&ordering=last_updated"
            page = self._ask(repository, path, "tags", parse_tags_page)
            if page is not None:
                yield page
            if page is None or page.is_last:
                return

    def _ask(self, repository: Repository, path: str, kind: str, parse: Callable[[bytes], T | None]) -> T | None:
        """Return the parsed body of a successful answer, or None for any other or if no request is made.

        Raises NotFound if the status is 404.
        """
        namespace, _, name = repository.path.partition("/")
        is_there = repository.registry == DOCKER_HUB and "/" not in name
        if not self._url or not is_there or self._clock() < self._left_alone_until:
            return None
        url = f"{self._url}/v2/namespaces/{namespace}/repositories/{name}{path}"
        # No retries: the image's lease is held meanwhile, and the registry has all that is essential.
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
    """Return the details of a repository in an answer, with None for each invalid field, or None if all are invalid."""
    fields = _fields(body)
    details = HubDetails(
        description=_line(fields.get("description")),
        last_updated=_time(fields.get("last_updated")),
        pull_count=_number(fields.get("pull_count"), _MAX_COUNT),
        star_count=_number(fields.get("star_count"), _MAX_COUNT),
    )
    return None if details == HubDetails() else details


def parse_tags_page(body: bytes) -> TagsPage | None:
    """Return a page of the list of tags, without invalid entries, or None if the body is not a page."""
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
    """Return a tag, or None if it is invalid. An "inactive" tag is valid: it was not pushed or pulled for a month."""
    name, rows = fields.get("name"), fields.get("images")
    if not isinstance(name, str) or not is_tag(name):
        return None
    rows = rows if isinstance(rows, list) else []
    images = tuple(image for row in rows if isinstance(row, dict) and (image := _image(row)))
    digest = _digest(fields.get("digest"))
    # If there is any other entry, the tag names an index that holds the image.
    if len(rows) == len(images) == 1 and fields.get("media_type") in _TYPES_OF_ONE_IMAGE:
        digest = digest or images[0].digest
    return HubTag(name, digest, images, _time(fields.get("tag_last_pushed")) or _time(fields.get("last_updated")))


def _image(fields: Mapping[str, object]) -> HubImage | None:
    """Return an image, or None for an entry without a platform, such as an attestation."""
    os, architecture = _platform_name(fields.get("os")), _platform_name(fields.get("architecture"))
    if os is None or architecture is None or os == architecture == "unknown":
        return None
    size_bytes = _number(fields.get("size"), _MAX_SIZE_BYTES) or None  # the API sends 0 for an unknown size
    return HubImage(os, architecture, _platform_name(fields.get("variant")), _digest(fields.get("digest")), size_bytes)


def _platform_name(value: object) -> str | None:
    return value if isinstance(value, str) and _PLATFORM_NAME.fullmatch(value) else None


def _digest(value: object) -> str | None:
    return value if isinstance(value, str) and is_digest(value) else None


def _number(value: object, limit: int) -> int | None:
    return value if type(value) is int and 0 <= value <= limit else None


def _line(value: object) -> str | None:
    """Return a text as one line without control characters, or None if it is empty."""
    words = _UNPRINTABLE.sub(" ", value).split() if isinstance(value, str) else []
    return " ".join(words)[:_MAX_DESCRIPTION_LENGTH] or None


def _time(value: object) -> datetime | None:
    """Return a time in UTC, or None if it is invalid or earlier than Docker: the years 0001 and 1970 mean "not set"."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment >= _FIRST_RELEASE_OF_DOCKER else None
