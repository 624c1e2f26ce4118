"""Reading from a container registry: its tags, what a tag names, and content by its digest.

The protocol is https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Asking what a tag names
(`head`) is free; reading it (`manifest`) counts against Docker Hub's pull limit
(https://docs.docker.com/docker-hub/usage/pulls/), so callers ask first and read only digests they have not seen.

Nothing is believed: content is compared with its digest, pages stay on the registry, everything is bounded. The
errors are those of `registry_errors`, translated here, where a status becomes a meaning.
"""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from microbadger.http import Resolve, resolve_name
from microbadger.image import (
    ACCEPT,
    DOCKER_HUB,
    Descriptor,
    Repository,
    digest_of,
    has_digest,
    is_digest,
    is_tag,
    parse_object,
)
from microbadger.registry.auth import Authenticator, Authorization, Challenge, Subject, usable_challenge
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import (
    BadAnswer,
    Denied,
    NotFound,
    RateLimited,
    Refused,
    RegistryError,
    Unreachable,
    words_of,
)
from microbadger.registry.transport import Answer, Limits, Origin, Request, RequestSeen, Transport

__all__ = [
    "BadAnswer",
    "Content",
    "Denied",
    "Head",
    "Limits",
    "NotFound",
    "RateLimited",
    "Refused",
    "Registry",
    "RegistryError",
    "RemoteRepository",
    "RequestSeen",
    "Unreachable",
]

_DOCKER_HUB_API = "registry-1.docker.io"
_MAX_MANIFEST_BYTES = 4 * 1024**2  # what registries must at least accept, and what most clients read
_MAX_PAGE_BYTES = 4 * 1024**2
_MAX_PAGES = 1000
_MAX_TAGS = 200_000
_TAGS_A_PAGE = 1000  # ECR refuses more
_MAX_REQUESTS_TO_LOG_IN = 3
_MAX_HEADER_LENGTH = 8192
_MAX_MEDIA_TYPE_LENGTH = 255
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_RESERVED_PART = 0.1
_DEFAULT_WINDOW_SECONDS = 6 * 3600
_LONGEST_WINDOW_SECONDS = 24 * 3600
_RATE_LIMIT = re.compile(r"(\d{1,9})(?:;w=(\d{1,9}))?", re.ASCII)
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")


@dataclass(frozen=True)
class Head:
    """What a registry says a reference names, without reading it; None for what it does not say."""

    digest: str | None
    media_type: str
    size_bytes: int | None


@dataclass(frozen=True)
class Content:
    """A manifest or index exactly as it was sent, and the digest that names it."""

    raw: bytes = field(repr=False)
    digest: str
    media_type: str


@dataclass(frozen=True)
class _PullsLeft:
    pulls: int
    limit: int
    known_until: float


class Registry:
    """Every registry there is, each asked at its own host or, where `mirrors` name one, at that URL instead.

    `on_pulls_left` is told a host, how many manifests it lets us read and for how many seconds that holds. This
    computer and the `http_registries` are spoken to over plain http. Credentials are looked up by the host
    that is asked, and used only for repositories that are bound as private. One object serves all threads.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        mirrors: Mapping[str, str] | None = None,
        http_registries: Collection[str] = (),
        credentials: Callable[[str], Credential | None] = lambda _: None,
        proxies: Mapping[str, str] | None = None,
        ca_bundle: str | None = None,
        on_request: Callable[[RequestSeen], object] = lambda _: None,
        on_pulls_left: Callable[[str, int, float], object] = lambda *_: None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
        resolve: Resolve = resolve_name,
        limits: Limits | None = None,
    ) -> None:
        self._mirrors = {host: url.rstrip("/") for host, url in (mirrors or {}).items()}
        self._http_registries = frozenset(http_registries)
        self._credentials = credentials
        self._clock = clock
        named = [*self._mirrors.values()]
        named += [f"{scheme}://{host}" for host in http_registries for scheme in ("http", "https")]
        self.transport = Transport(
            user_agent=user_agent,
            named=named,
            proxies=proxies,
            ca_bundle=ca_bundle,
            on_request=on_request,
            sleep=sleep,
            clock=clock,
            resolve=resolve,
            limits=limits,
        )
        self._authenticator = Authenticator(self.transport, named=named, clock=clock)
        self._on_pulls_left = on_pulls_left
        self._pulls_left: dict[str, _PullsLeft] = {}

    def repository(self, repository: Repository, *, private: bool = False) -> "RemoteRepository":
        """Return a view of one repository, read with the operator's credential if it is `private`."""
        host = self._host_asked(repository.registry)
        return RemoteRepository(
            repository,
            base_url=self._base_url(repository.registry),
            transport=self.transport,
            authenticator=self._authenticator,
            credential=self._credential(host) if private else None,
            has_credential=lambda: not private and self._credential(host) is not None,
            note=self._note_pulls_left,
        )

    def pulls_left(self, host: str) -> int | None:
        """Return how many more manifests a registry lets us read, as it last said; None if nothing limits us."""
        noted = self._pulls_left.get(host)
        left_seconds = noted.known_until - self._clock() if noted is not None else 0
        # A window that is longer comes from a clock that was set back.
        return noted.pulls if noted is not None and 0 < left_seconds <= _LONGEST_WINDOW_SECONDS else None

    def is_low_on_pulls(self, host: str) -> bool:
        """Tell whether a registry lets us read no more than a tenth of the manifests it allows in its window."""
        left = self.pulls_left(host)
        return left is not None and left <= self._pulls_left[host].limit * _RESERVED_PART

    def _base_url(self, registry: str) -> str:
        if registry in self._mirrors:
            return self._mirrors[registry]
        host = _DOCKER_HUB_API if registry == DOCKER_HUB else registry
        return f"{'http' if self._is_plain(host) else 'https'}://{host}"

    def _is_plain(self, host: str) -> bool:
        return host in self._http_registries or _is_loopback(str(urlsplit(f"//{host}").hostname))

    def _host_asked(self, registry: str) -> str:
        mirror = self._mirrors.get(registry)
        return urlsplit(mirror).netloc if mirror else registry

    def _credential(self, host: str) -> Credential | None:
        try:
            return self._credentials(host)
        except ValueError as error:
            raise Denied(f"the credential for {host} cannot be read: {error}", host=host, status=None) from error

    def _note_pulls_left(self, host: str, answer: Answer) -> None:
        """Remember what Docker Hub counts: https://docs.docker.com/docker-hub/usage/pulls/."""
        left, limit = (_rate_limit(answer, name) for name in ("ratelimit-remaining", "ratelimit-limit"))
        if left:
            pulls, window_seconds = int(left[1]), int(left[2] or _DEFAULT_WINDOW_SECONDS)
            self._pulls_left[host] = _PullsLeft(pulls, int(limit[1]) if limit else 0, self._clock() + window_seconds)
            self._on_pulls_left(host, pulls, min(window_seconds, _LONGEST_WINDOW_SECONDS))


class RemoteRepository:
    """One repository in its registry, read over the network; every method can raise a `RegistryError`."""

    def __init__(
        self,
        repository: Repository,
        *,
        base_url: str,
        transport: Transport,
        authenticator: Authenticator,
        credential: Credential | None,
        has_credential: Callable[[], bool],
        note: Callable[[str, Answer], object],
    ) -> None:
        self._repository = repository
        self._base_url = base_url
        self._transport = transport
        self._authenticator = authenticator
        self._credential = credential
        self._has_credential = has_credential
        self._note = note

    def tags(self) -> list[str]:
        """Return all tags in the registry's order, each once; what can be no tag is left out."""
        tags: dict[str, None] = {}
        seen: set[str] = set()
        query: str | None = f"n={_TAGS_A_PAGE}"
        while query is not None:
            if query in seen or len(seen) == _MAX_PAGES or len(tags) > _MAX_TAGS:
                raise self._bad("its list of tags has no end")
            seen.add(query)
            answer = self._ask("GET", f"tags/list?{query}", kind="tags", max_bytes=_MAX_PAGE_BYTES)
            tags |= dict.fromkeys(self._page(answer))
            query = self._next_query(answer)
        return list(tags)

    def head(self, reference: str) -> Head:
        """Return what a tag or digest names; this counts as no pull."""
        answer = self._ask("HEAD", f"manifests/{reference}", kind="head", max_bytes=0, accept=ACCEPT)
        digest = answer.headers.get("Docker-Content-Digest", "")
        length = answer.headers.get("Content-Length", "")
        return Head(
            digest if is_digest(digest) else None,
            _media_type(answer),
            int(length) if re.fullmatch(r"\d{1,15}", length, re.ASCII) else None,
        )

    def manifest(self, reference: str) -> Content:
        """Return the manifest or index a tag or digest names; one that is not what its digest names is refused.

        By tag the digest is that of the bytes, whatever the header says: so many registries get it wrong.
        """
        answer = self._ask(
            "GET", f"manifests/{reference}", kind="manifest", max_bytes=_MAX_MANIFEST_BYTES, accept=ACCEPT
        )
        if not is_digest(reference):
            return Content(answer.body, digest_of(answer.body), _media_type(answer))
        if not has_digest(answer.body, reference):
            raise self._bad("it sent a manifest that is not what its digest names")
        return Content(answer.body, reference, _media_type(answer))

    def blob(self, descriptor: Descriptor, max_bytes: int) -> bytes:
        """Return the content of a descriptor, verified; from the descriptor itself if it came along."""
        if descriptor.size_bytes > max_bytes:
            raise self._bad(f"it has more than {max_bytes} bytes where a config belongs")
        if descriptor.data is not None:
            return descriptor.data
        answer = self._ask("GET", f"blobs/{descriptor.digest}", kind="blob", max_bytes=descriptor.size_bytes)
        if not has_digest(answer.body, descriptor.digest):
            raise self._bad("it sent content that is not what its digest names")
        return answer.body

    def _ask(self, method: str, path: str, *, kind: str, max_bytes: int, accept: str = "*/*") -> Answer:
        """Return a successful answer, after logging in if the registry asks for it."""
        subject = self._subject(kind)
        authorization = self._authenticator.authorization(subject)
        for _ in range(_MAX_REQUESTS_TO_LOG_IN):
            answer = self._send(method, path, kind, max_bytes, accept, authorization)
            challenge = self._challenge(answer)
            if challenge is None:
                break
            better = self._authenticator.answer(subject, challenge, answer.url, sent=authorization)
            if better is None:
                break
            authorization = better
        return self._successful(answer, path, authorization)

    def _send(
        self, method: str, path: str, kind: str, max_bytes: int, accept: str, authorization: Authorization | None
    ) -> Answer:
        request = Request(
            method=method,
            url=f"{self._base_url}/v2/{self._repository.path}/{path}" if path else f"{self._base_url}/v2/",
            host=self._repository.registry,
            home=self._base_url,
            kind=kind,
            max_bytes=max_bytes,
            accept=accept,
            authorization=authorization.value if authorization else None,
        )
        answer = self._transport.send(request)
        self._note(self._repository.registry, answer)
        return answer

    def _subject(self, kind: str) -> Subject:
        # ACR wants another scope for tags than for content, so each remembers its own.
        return Subject(
            host=self._repository.registry,
            home=self._base_url,
            path=self._repository.path,
            resource="tags" if kind == "tags" else "content",
            credential=self._credential,
        )

    def _challenge(self, answer: Answer) -> Challenge | None:
        """Return how to log in, if that is what the registry itself, and no host it redirects to, asks for."""
        if answer.status not in (401, 403) or Origin.of(answer.url) != Origin.of(self._base_url):
            return None
        challenge = usable_challenge(answer)
        if answer.status == 403:
            return challenge if challenge and challenge.is_about_scope else None
        if "WWW-Authenticate" not in answer.headers:
            # gcr.io has done this. The ping's scope means nothing, so it is dropped.
            challenge = usable_challenge(self._send("GET", "", "ping", _MAX_PAGE_BYTES, "*/*", None))
            return challenge and challenge.without_scope()
        return challenge

    def _successful(self, answer: Answer, path: str, sent: Authorization | None) -> Answer:
        """Return an answer that is one; raise what any other means."""
        if answer.status == 200:
            return answer
        host, status = self._repository.registry, answer.status
        what = f"{path.partition('?')[0]} of {self._repository.path}"
        detail = words_of(answer.body, self._secrets(sent))
        if status in (401, 403):
            message, has_credential = f"{self._repository} was not found or is private{detail}", self._has_credential()
            if has_credential:
                message += f"; to publish it with the credential for {host}, write 'private' behind its name"
            raise Denied(message, host=host, status=status, has_credential=has_credential)
        if status in (404, 410):
            raise NotFound(f"{host} has no {what}{detail}", host=host, status=status)
        raise BadAnswer(f"{host} answered with status {status} for {what}{detail}", host=host, status=status)

    def _secrets(self, sent: Authorization | None) -> list[str]:
        """Return what the registry was shown and may repeat, for everybody to read."""
        shown = [sent.value.partition(" ")[2]] if sent else []
        return [*shown, *(self._credential.secrets if self._credential else [])]

    def _page(self, answer: Answer) -> list[str]:
        """Return the tags of a page; Nexus lists nulls and Artifactory digests, which are none."""
        try:
            tags = parse_object(answer.body).get("tags") or []
        except ValueError as error:
            raise self._bad("its list of tags is no JSON") from error
        if not isinstance(tags, list):
            raise self._bad("its list of tags is no list")
        return [tag for tag in tags if isinstance(tag, str) and is_tag(tag)]

    def _next_query(self, answer: Answer) -> str | None:
        """Return the query of the next page; None if this is the last.

        Only the query is taken from the link: Artifactory forgets the start of the path (RTFACT-18971).
        """
        link = answer.headers.get("Link", "")
        if len(link) > _MAX_HEADER_LENGTH:
            raise self._bad("the link to its next page is too long")
        target = _next_link(link)
        if target is None:
            return None
        try:
            url = urljoin(answer.url, target)
            is_at_home = Origin.of(url) == Origin.of(self._base_url)
        except ValueError as error:
            raise self._bad("its list of tags continues at no URL") from error
        if not is_at_home:
            host = self._repository.registry
            raise Refused(f"{host} continues its list of tags on another server", host=host)
        return urlsplit(url).query

    def _bad(self, reason: str) -> BadAnswer:
        host = self._repository.registry
        return BadAnswer(f"{host} answers wrongly for {self._repository.path}: {reason}", host=host)


def _rate_limit(answer: Answer, name: str) -> re.Match[str] | None:
    return _RATE_LIMIT.fullmatch(answer.headers.get(name, "").replace(" ", ""))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _media_type(answer: Answer) -> str:
    """Return the type an answer says it has, without parameters; empty if it says none that can be one."""
    text = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return text if len(text) <= _MAX_MEDIA_TYPE_LENGTH and _MEDIA_TYPE.fullmatch(text) else ""


def _next_link(header: str) -> str | None:
    """Return the target of the link to the next page; some registries do not say that it is the next."""
    for target, parameters in _LINK.findall(header):
        relation = re.search(r";\s*rel\s*=\s*\"?([^\";,]*)", parameters, re.IGNORECASE)
        if relation is None or "next" in relation[1].lower().split():
            return str(target)
    return None
