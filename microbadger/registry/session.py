"""Sends requests about one repository as one reader: anonymous, or with a credential.

A `Session` logs in when the registry asks for it. Some hosts are a custom name for another registry, and redirect to
it and its token service. There the session logs in anonymously, because credentials and tokens go only to the server
they are for.

This module turns the status of an answer into one of the exceptions of `errors`.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from microbadger.http import Answer, Origin
from microbadger.image import Repository
from microbadger.registry.auth import Authenticator, Authorization, Challenge, Subject, usable_challenge
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Denied, NotFound, RegistryError, Unreachable, code_of, codes_in
from microbadger.registry.pulls import PullLimits
from microbadger.registry.servers import Server
from microbadger.registry.transport import Request, Transport

_MAX_REQUESTS_TO_LOG_IN = 3
_MAX_SERVERS = 2
_PATH = re.compile(r"/v2/(.+)/(?:manifests|blobs|referrers|tags)/")
_WORDS = {"manifests": "manifest", "blobs": "content", "referrers": "list of referrers of"}
_Sent = dict[Origin, Authorization]
"""The authorization that is sent to each server."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask for below the path of a repository. A status in `final` is not retried."""

    path: str
    kind: str
    max_bytes: int
    accept: str = "*/*"
    final: Collection[int] = ()


_PING = Question("", kind="ping", max_bytes=4 * 1024**2)


class Session:
    """Asks a registry about one repository. Every method can raise a `RegistryError`."""

    def __init__(
        self,
        repository: Repository,
        *,
        server: Server,
        transport: Transport,
        authenticator: Authenticator,
        pulls: PullLimits,
        credential: Credential | None = None,
    ) -> None:
        self.repository = repository
        self._server = server
        self._home = Origin.of(server.url)
        self._transport = transport
        self._authenticator = authenticator
        self._pulls = pulls
        self._credential = credential
        self._elsewhere: tuple[str, str] | None = None
        """The server that this registry last redirected to and that asked for a login, and the path there."""

    @property
    def limits_pulls(self) -> bool:
        """Whether the registry has told this reader how many manifests it may still read."""
        return self._pulls.left(self.repository.registry, self._user) is not None

    def has_pulls_above(self, part: float, besides: int = 0) -> bool:
        """Return whether more than the fraction `part` of this reader's pulls is left, or no limit is known.

        ``besides`` is the number of concurrent pulls that the last answer may not have counted yet.
        """
        return self._pulls.are_above(self.repository.registry, self._user, part, besides)

    def get(self, question: Question) -> Answer:
        """Return the answer if its status is 200; raise the error that its status means otherwise."""
        answer = self._ask("GET", question)
        if answer.status == 200:
            return answer
        raise self._meaning(answer, question.path)

    def head(self, question: Question) -> Answer:
        """Return the answer to a HEAD request, whatever its status."""
        return self._ask("HEAD", question)

    def _ask(self, method: str, question: Question) -> Answer:
        """Return an answer, logging in first where a server asks for it."""
        kind = question.kind
        sent = self._kept(kind)
        challenges: Counter[Origin] = Counter()
        while True:
            answer = self._send(method, self._url(question.path), question, sent)
            origin = Origin.of(answer.url)
            challenge = self._challenge(answer)
            challenges[origin] += 1
            if not challenge or challenges[origin] == _MAX_REQUESTS_TO_LOG_IN or len(challenges) > _MAX_SERVERS:
                return answer
            subject = self._subject(answer.url, kind)
            better = self._authenticator.answer(subject, challenge, answer.url, sent=sent.get(origin))
            if better is None:
                return answer
            if subject.is_elsewhere:
                self._elsewhere = subject.home, subject.path
            sent[origin] = better

    def _url(self, path: str) -> str:
        return f"{self._server.url}/v2/{self.repository.path}/{path}"

    def _send(self, method: str, url: str, question: Question, sent: Mapping[Origin, Authorization]) -> Answer:
        values = {origin: authorization.value for origin, authorization in sent.items()}
        request = Request(
            method=method,
            url=url,
            host=self.repository.registry,
            home=self._server.home,
            kind=question.kind,
            max_bytes=question.max_bytes,
            named=self._server.others,
            accept=question.accept,
            authorization=values.pop(self._home, None),
            elsewhere=values,
            final=question.final,
        )
        answer = self._transport.send(request)
        self._pulls.read(self.repository.registry, self._user, answer.headers)
        return answer

    def _kept(self, kind: str) -> _Sent:
        """Return the authorizations last used for this registry and for the server that it redirected to."""
        subjects = [self._subject(self._url(""), kind)]
        if self._elsewhere:
            home, path = self._elsewhere
            subjects.append(self._subject(f"{home}/v2/{path}/tags/", kind))
        kept = {Origin.of(subject.home): self._authenticator.authorization(subject) for subject in subjects}
        return {origin: authorization for origin, authorization in kept.items() if authorization}

    def _subject(self, url: str, kind: str) -> Subject:
        """Return the subject of a login for requests to a URL, with the credential to use."""
        is_elsewhere = Origin.of(url) != self._home
        named = _PATH.search(url) if is_elsewhere else None
        return Subject(
            host=self.repository.registry,
            home=self._server_of(url),
            path=named[1] if named else self.repository.path,
            # Azure's registry (ACR) wants another scope for tags than for content, so each has its own.
            resource="tags" if kind == "tags" else "content",
            credential=None if is_elsewhere else self._credential,
            named=self._named_by(Origin.of(url)),
            is_elsewhere=is_elsewhere,
        )

    def _named_by(self, origin: Origin) -> frozenset[Origin]:
        """Return the servers that a server may name as its realm even if their address is private."""
        if origin == self._home:
            return self._server.others | ({origin} if self._server.is_named else set())
        return self._server.others if origin in self._server.others else frozenset()

    def _challenge(self, answer: Answer) -> Challenge | None:
        """Return the challenge in an answer if it asks for a login, else None."""
        if answer.status not in (401, 403):
            return None
        is_at_home = Origin.of(answer.url) == self._home
        has_password = is_at_home and bool(self._credential and self._credential.password)
        challenge = usable_challenge(answer, has_password=has_password)
        if answer.status == 403:
            return challenge if challenge and challenge.is_about_scope else None
        if "WWW-Authenticate" not in answer.headers:
            # gcr.io has answered without a challenge; a ping has one. The scope of the ping is dropped as meaningless.
            ping = self._send("GET", f"{self._server_of(answer.url)}/v2/", _PING, {})
            challenge = usable_challenge(ping, has_password=has_password)
            return challenge and challenge.without_scope()
        return challenge

    def _meaning(self, answer: Answer, path: str) -> RegistryError:
        host, status = self.repository.registry, answer.status
        what = _name_of(path)
        detail = code_of(answer.body)
        if status in (401, 403):
            # The advice is always given. Otherwise it would reveal which registries have a credential.
            advice = f"to publish it if it is private, log in to {host} and write 'private' after its name"
            message = f"the {what} of {self.repository} was not found or is private{detail}; {advice}"
            return Denied(message, host=host, status=status)
        if status in (404, 410):
            message = f"{host} has no {what} of {self.repository.path}{detail}"
            return NotFound(message, host=host, status=status, codes=codes_in(answer.body))
        kind = Unreachable if status == 408 or (status >= 500 and status != 501) else BadAnswer
        message = f"{host} answered with status {status} for the {what} of {self.repository.path}{detail}"
        return kind(message, host=host, status=status)

    def _server_of(self, url: str) -> str:
        """Return the base URL of the API of the server that a URL belongs to."""
        parts = urlsplit(url)
        return self._server.url if Origin.of(url) == self._home else f"{parts.scheme}://{parts.netloc}"

    @property
    def _user(self) -> str | None:
        return self._credential.username if self._credential else None


def _name_of(path: str) -> str:
    """Return a name for what is at a path of a repository, for messages."""
    kind, _, reference = path.partition("?")[0].partition("/")
    return f"{_WORDS[kind]} {reference}" if kind in _WORDS else "list of tags"
