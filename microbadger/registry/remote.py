"""Reading a repository in its registry: its tags, what a tag names, and content by its digest.

The protocol is https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Asking what a tag names
(`head`) is free; reading it (`manifest`) counts against Docker Hub's pull limit
(https://docs.docker.com/docker-hub/usage/pulls/), so callers ask first and read only digests they have not seen.

Nothing is believed: content is compared with its digest, pages stay on the registry, everything is bounded. The
errors are those of `errors`, translated here, where a status becomes a meaning.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from microbadger.http import Answer, Origin
from microbadger.image import ACCEPT, Descriptor, Repository, digest_of, has_digest, is_digest, is_tag, parse_object
from microbadger.registry.auth import Authenticator, Authorization, Challenge, Subject, usable_challenge
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Denied, NotFound, Refused, words_of
from microbadger.registry.pulls import PullLimits
from microbadger.registry.transport import Request, Transport

_MAX_MANIFEST_BYTES = 4 * 1024**2  # what registries must at least accept, and what most clients read
_MAX_PAGE_BYTES = 4 * 1024**2
_MAX_PAGES = 1000
_MAX_TAGS = 200_000
_TAGS_A_PAGE = 1000  # ECR refuses more
_MAX_REQUESTS_TO_LOG_IN = 3
_MAX_HEADER_LENGTH = 8192
_MAX_MEDIA_TYPE_LENGTH = 255
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")


@dataclass(frozen=True)
class RawManifest:
    """A manifest or index exactly as it was sent, and the digest that names it."""

    raw: bytes = field(repr=False)
    digest: str
    media_type: str


class RemoteRepository:
    """One repository in its registry, read over the network; every method can raise a `RegistryError`."""

    def __init__(
        self,
        repository: Repository,
        *,
        base_url: str,
        transport: Transport,
        authenticator: Authenticator,
        pulls: PullLimits,
        credential: Credential | None,
        has_unused_credential: Callable[[], bool],
    ) -> None:
        self._repository = repository
        self._base_url = base_url
        self._transport = transport
        self._authenticator = authenticator
        self._pulls = pulls
        self._credential = credential
        self._has_unused_credential = has_unused_credential

    def tags(self, before_page: Callable[[], object] = lambda: None) -> list[str]:
        """Return all tags in the registry's order, each once; what cannot be a tag is left out.

        ``before_page`` is called before each page is read: there can be hundreds.
        """
        tags: dict[str, None] = {}
        seen: set[str] = set()
        query: str | None = f"n={_TAGS_A_PAGE}"
        while query is not None:
            if query in seen or len(seen) == _MAX_PAGES or len(tags) > _MAX_TAGS:
                raise self._bad("its list of tags has no end")
            seen.add(query)
            before_page()
            answer = self._ask("GET", f"tags/list?{query}", kind="tags", max_bytes=_MAX_PAGE_BYTES)
            tags |= dict.fromkeys(self._page(answer))
            query = self._next_query(answer)
        return list(tags)

    def head(self, reference: str) -> str | None:
        """Return the digest of what a tag names, None where the registry does not say; this is not a pull."""
        answer = self._ask("HEAD", f"manifests/{reference}", kind="head", max_bytes=0, accept=ACCEPT)
        digest = answer.headers.get("Docker-Content-Digest", "")
        return digest if is_digest(digest) else None

    def manifest(self, reference: str) -> RawManifest:
        """Return the manifest or index that a tag or digest names; one that does not match its digest is refused.

        By tag the digest is that of the bytes, whatever the header says: so many registries get it wrong.
        """
        answer = self._ask(
            "GET", f"manifests/{reference}", kind="manifest", max_bytes=_MAX_MANIFEST_BYTES, accept=ACCEPT
        )
        if not is_digest(reference):
            return RawManifest(answer.body, digest_of(answer.body), _media_type(answer))
        if not has_digest(answer.body, reference):
            raise self._bad("the manifest does not match its digest")
        return RawManifest(answer.body, reference, _media_type(answer))

    def blob(self, descriptor: Descriptor, max_bytes: int) -> bytes:
        """Return the content of a descriptor, verified; from the descriptor itself if it came along."""
        if descriptor.size_bytes > max_bytes:
            raise self._bad(f"the config has more than {max_bytes} bytes")
        if descriptor.data is not None:
            return descriptor.data
        answer = self._ask("GET", f"blobs/{descriptor.digest}", kind="blob", max_bytes=descriptor.size_bytes)
        if not has_digest(answer.body, descriptor.digest):
            raise self._bad("the content does not match its digest")
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
        self._pulls.read(self._repository.registry, answer.headers)
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
        """Return a successful answer; raise what any other means."""
        if answer.status == 200:
            return answer
        host, status = self._repository.registry, answer.status
        what = f"{path.partition('?')[0]} of {self._repository.path}"
        detail = words_of(answer.body, self._secrets(sent))
        if status in (401, 403):
            message = f"{self._repository} was not found or is private{detail}"
            if self._has_unused_credential():
                message += f"; to publish it with the credential for {host}, write 'private' after its name"
            raise Denied(message, host=host, status=status)
        if status in (404, 410):
            raise NotFound(f"{host} has no {what}{detail}", host=host, status=status)
        raise BadAnswer(f"{host} answered with status {status} for {what}{detail}", host=host, status=status)

    def _secrets(self, sent: Authorization | None) -> list[str]:
        """Return the secrets that the registry was shown and may repeat where everybody can read it."""
        shown = [sent.value.partition(" ")[2]] if sent else []
        return [*shown, *(self._credential.secrets if self._credential else [])]

    def _page(self, answer: Answer) -> list[str]:
        """Return the tags of a page; Nexus also lists nulls, and Artifactory digests."""
        try:
            tags = parse_object(answer.body).get("tags") or []
        except ValueError as error:
            raise self._bad("its list of tags is not JSON") from error
        if not isinstance(tags, list):
            raise self._bad("its list of tags is not a list")
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
            raise self._bad("its list of tags continues at an invalid URL") from error
        if not is_at_home:
            host = self._repository.registry
            raise Refused(f"{host} continues its list of tags on another server", host=host)
        return urlsplit(url).query

    def _bad(self, reason: str) -> BadAnswer:
        host = self._repository.registry
        return BadAnswer(f"{host} sent an invalid answer for {self._repository.path}: {reason}", host=host)


def _media_type(answer: Answer) -> str:
    """Return the media type of an answer, without parameters; empty if it is missing or invalid."""
    text = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return text if len(text) <= _MAX_MEDIA_TYPE_LENGTH and _MEDIA_TYPE.fullmatch(text) else ""


def _next_link(header: str) -> str | None:
    """Return the target of the link to the next page; some registries do not say that it is the next."""
    for target, parameters in _LINK.findall(header):
        relation = re.search(r";\s*rel\s*=\s*\"?([^\";,]*)", parameters, re.IGNORECASE)
        if relation is None or "next" in relation[1].lower().split():
            return str(target)
    return None
