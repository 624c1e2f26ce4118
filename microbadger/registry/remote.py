"""Reads a repository in its registry: its tags, the digests that they name, and content by its digest.

The protocol is https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Asking for the digest of a tag
(`head`) is free. Reading its manifest (`manifest`) counts against Docker Hub's pull limit
(https://docs.docker.com/docker-hub/usage/pulls/), so callers ask first and read only digests they have not seen.

Unless it is private, a repository is read anonymously until an answer has shown that it is public. From then on its
content is read with the operator's credential, if there is one, so that pulls count against that account.

Registries are not trusted: content is compared with its digest, and the size of every answer is bounded.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from microbadger.http import Answer
from microbadger.image import ACCEPT, DOCKER_HUB, OCI_INDEX, Descriptor, Referrers, digest_of, has_digest, is_digest
from microbadger.logs import EventLog
from microbadger.registry.errors import BadAnswer, Denied, NotFound, RateLimited, Refused, RegistryError, Unreachable
from microbadger.registry.headers import media_type
from microbadger.registry.referrer_lists import NotOffered, WithoutReferrers, read_referrers
from microbadger.registry.session import Question, Session
from microbadger.registry.tag_list import TagList, read_tags

log = EventLog(__name__)

_MAX_MANIFEST_BYTES = 4 * 1024**2  # what registries must at least accept, and what most clients read
_MAX_PAGE_BYTES = 8 * 1024**2  # some registries ignore the page size and send all tags at once
_NOT_OFFERED = {405, 501}
_MOST_SILENT_HEADS = 2
_RESERVED_PART, _SPARE_PART, _HALF = 0.1, 0.25, 0.5  # of the pulls that a registry allows
_OTHERS_AT_ONCE = 3  # concurrent checks of images that only readers asked for; each may pull
_FINAL = (408, 500, 502, 503, 504)  # not retried for a HEAD, which a GET follows, nor for lists a check can do without


@dataclass(frozen=True)
class RawManifest:
    """A manifest or index as the registry sent it, byte for byte, with its digest."""

    raw: bytes = field(repr=False)
    digest: str
    media_type: str


class RemoteRepository:
    """One repository in its registry, read over the network during one check.

    `session` decides what may be read. `find_account` returns a session with a credential, used to read the content of
    a public repository, or None. It is called at most once. `without_referrers` holds the registries that are not
    asked for lists of referrers.
    """

    def __init__(
        self,
        session: Session,
        find_account: Callable[[], Session | None] = lambda: None,
        without_referrers: WithoutReferrers | None = None,
    ) -> None:
        self._session = session
        self._find_account = find_account
        self._without_referrers = without_referrers
        self._accounts: list[Session] | None = None
        self._is_public = False
        self._shown: set[str] = set()
        self._offers_head = True
        self._silent_heads = 0
        self._lists_referrers = False

    def tags(self, before_page: Callable[[], object] = lambda: None, *, is_guess: bool = False) -> TagList:
        """Return all tags that can be read, without invalid names. Does not raise `RegistryError`.

        ``before_page`` is called before each page is read; there can be hundreds. ``is_guess`` means that the
        repository may not exist: a refusal with status 403 or 410 is then final.
        """
        return read_tags(self._session.repository, self._page, self._bad, before_page, is_guess=is_guess)

    def head(self, reference: str) -> str | None:
        """Return the digest that a tag names, or None if the registry does not say. This does not count as a pull.

        Raises `RateLimited`. After any other error the result is None, and the caller needs a GET.
        """
        if not self._offers_head or self._silent_heads >= _MOST_SILENT_HEADS:
            return None
        try:
            answer = self._session.head(Question(f"manifests/{reference}", "head", 0, ACCEPT, _FINAL))
        except RegistryError as error:
            if isinstance(error, RateLimited):
                raise
            self._silent_heads += isinstance(error, Unreachable)  # some servers hang up on a HEAD
            return None
        self._offers_head = answer.status not in _NOT_OFFERED
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status != 200 or not is_digest(digest):
            return None
        self._is_public = True
        self._shown.add(reference)
        return digest

    def has_tag(self, tag: str) -> bool | None:
        """Return whether a tag exists, or None if the registry does not say. This does not count as a pull."""
        try:
            answer = self._session.head(Question(f"manifests/{tag}", "head", 0, ACCEPT, _FINAL))
        except RegistryError:
            return None
        return {200: True, 404: False}.get(answer.status)

    def manifest(self, reference: str) -> RawManifest:
        """Return the manifest or index that a tag or digest names.

        For a tag, the digest is computed from the bytes, because many registries send a wrong header. Raises
        `BadAnswer` if the bytes do not match the digest that was asked for, or another `RegistryError`.
        """
        question = Question(f"manifests/{reference}", "manifest", _MAX_MANIFEST_BYTES, ACCEPT)
        if not self._is_shown(reference) and self._account is not None:
            self.head(reference)
        answer = self._content(question) if self._is_shown(reference) else self._session.get(question)
        self._is_public = True
        if not is_digest(reference):
            return RawManifest(answer.body, digest_of(answer.body), media_type(answer))
        if not has_digest(answer.body, reference):
            raise self._bad("the manifest does not match its digest")
        return RawManifest(answer.body, reference, media_type(answer))

    def blob(self, descriptor: Descriptor, max_bytes: int) -> bytes:
        """Return the content that a descriptor names, compared with its digest. Raises `RegistryError`.

        If the descriptor embeds its content as `data`, nothing is requested.
        """
        if descriptor.size_bytes > max_bytes:
            raise self._bad(f"the content has more than {max_bytes} bytes")
        if descriptor.data is not None:
            return descriptor.data
        answer = self._content(Question(f"blobs/{descriptor.digest}", "blob", descriptor.size_bytes))
        if not has_digest(answer.body, descriptor.digest):
            raise self._bad("the content does not match its digest")
        return answer.body

    def referrers(self, digest: str) -> Referrers | None:
        """Return the referrers of a digest, or None if the registry offers no such lists. Raises `RegistryError`.

        If the result is None, the repository may have fallback tags instead.
        """
        host = self._session.repository.registry
        if self._without_referrers is not None and host in self._without_referrers:
            return None

        def ask(query: str, max_bytes: int) -> Answer:
            path = f"referrers/{digest}?{query}" if query else f"referrers/{digest}"
            return self._content(Question(path, "referrers", max_bytes, OCI_INDEX, _FINAL))

        try:
            referrers = read_referrers(ask, self._bad)
        except NotOffered as error:
            if error.is_general and not self._lists_referrers and self._without_referrers is not None:
                self._without_referrers.add(host)
            return None
        self._lists_referrers = True
        return referrers

    @property
    def is_low_on_pulls(self) -> bool:
        """Whether at most a tenth of the pulls are left for reading content."""
        return not self._reader.has_pulls_above(_RESERVED_PART)

    @property
    def limits_pulls(self) -> bool:
        """Whether the registry is known to limit how many manifests may be read."""
        return self._reader.repository.registry == DOCKER_HUB or self._reader.limits_pulls

    @property
    def has_pulls_to_spare(self) -> bool:
        """Whether more than a quarter of the pulls are left, enough for work that no user is waiting for."""
        return self._reader.has_pulls_above(_SPARE_PART)

    @property
    def has_pulls_for_requests(self) -> bool:
        """Whether more than half of the pulls are left, enough for images that only readers ask for."""
        return self._reader.has_pulls_above(_HALF, _OTHERS_AT_ONCE)

    @property
    def _reader(self) -> Session:
        """The session that content of a public repository is read with."""
        return self._account or self._session

    def _is_shown(self, reference: str) -> bool:
        """Return whether anonymous readers can see a reference: some tags may be visible to certain accounts only."""
        return reference in self._shown or (self._is_public and is_digest(reference))

    @property
    def _account(self) -> Session | None:
        """The session with a credential for public content; None if there is none or its credential was refused."""
        if self._accounts is None:
            account = self._find_account()
            self._accounts = [account] if account else []
        return self._accounts[0] if self._accounts else None

    def _content(self, question: Question) -> Answer:
        """Return content. In a public repository, try the credential first, and anonymous access if that is refused."""
        account = self._account if self._is_public else None
        if account is not None:
            try:
                return account.get(question)
            except (Denied, Refused) as error:
                log.warning("credential_not_used", image=self._session.repository.familiar, error=error)
                self._accounts = []
            except (NotFound, BadAnswer):
                pass  # some registries answer so if the account may not read it: the anonymous answer decides
        return self._session.get(question)

    def _page(self, query: str, final: Collection[int]) -> Answer:
        path = f"tags/list?{query}" if query else "tags/list"
        return self._session.get(Question(path, "tags", _MAX_PAGE_BYTES, final=final))

    def _bad(self, reason: str) -> BadAnswer:
        repository = self._session.repository
        message = f"{repository.registry} sent an invalid answer for {repository.path}: {reason}"
        return BadAnswer(message, host=repository.registry)
