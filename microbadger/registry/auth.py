"""Logs in to registries: reads the challenge in an answer, and gets the token or credential that answers it.

A registry answers 401 and names where to get a token (the *realm*), for which *service* and which *scope*. See
https://github.com/distribution/distribution/blob/main/docs/content/spec/auth/token.md, and for identity tokens
oauth.md in the same folder. The scope comes from the answer to the real request, newest first. Each token is kept for
one server, repository, scope and credential. Without a credential, the token is anonymous.

Realms are not trusted. `transport` refuses realms at private addresses, unless the operator named them for this
registry. This module sends a credential only to a realm on the same host, to a well-known one, or to one that the
operator named. A shared parent domain proves nothing: anyone can have a host below `run.app` or `gouv.fr`.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urljoin, urlsplit

from microbadger.http import Answer, Origin
from microbadger.image import parse_object
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import BadAnswer, Refused
from microbadger.registry.transport import Request, Transport

_CLIENT_ID = "microbadger"
_MAX_HEADER_LENGTH = 8192
_MAX_TOKEN_BYTES = 256 * 1024
_MAX_SCOPES = 5
_MAX_TOKENS_KEPT = 2000
_MIN_LIFETIME_SECONDS = 60  # also the default (token.md)
_MAX_LIFETIME_SECONDS = 24 * 3600
_RENEWED_EARLY_SECONDS = 5

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ITEM = re.compile(rf'({_WORD})(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?', re.ASCII | re.DOTALL)
_SCOPE = re.compile(r"[\x21-\x7e]{1,1000}", re.ASCII)
_NUMBER = re.compile(r"\s*\d{1,300}(\.\d{0,300})?\s*", re.ASCII)
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+", re.ASCII)

# Registries whose realm is on another host, according to their own answers to an anonymous request for /v2/:
# https://distribution.github.io/distribution/spec/auth/token/
# https://docs.gitlab.com/administration/packages/container_registry/
# https://docs.digitalocean.com/reference/api/reference/container-registry/
_KNOWN_REALMS = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "registry.digitalocean.com": "api.digitalocean.com",
}
# Alibaba has a realm for each region, and Hangzhou's also serves others: https://www.alibabacloud.com/help/en/acr/
_ALIBABA = re.compile(r"registry\.([a-z0-9-]+)\.aliyuncs\.com", re.ASCII)
_ALIBABA_REALM, _ALIBABA_MAIN_REGION = "dockerauth.{}.aliyuncs.com", "cn-hangzhou"


@dataclass(frozen=True)
class Challenge:
    """One way to log in that a server offers. The scheme and the names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def is_about_scope(self) -> bool:
        """Whether the token that was sent is valid, but its scope does not cover the request."""
        return self.parameters.get("error") == "insufficient_scope"

    def without_scope(self) -> "Challenge":
        """Return the same challenge without its scope, to use it for another resource."""
        return replace(self, parameters={**self.parameters, "scope": ""})


@dataclass(frozen=True)
class Authorization:
    """The value of an Authorization header; `is_new` if its token was fetched for the current request."""

    value: str = field(repr=False)
    is_new: bool = False


@dataclass(frozen=True)
class Subject:
    """What to log in for: a repository on a server, the kind of `resource` to read there, and the credential.

    A registry may require another scope for each `resource`. `home` is the URL of the server that is asked: the
    registry's own or, if `is_elsewhere`, one that it redirects to. `named` are the servers that may be its realm even
    if their address is private, because the operator named them.
    """

    host: str
    home: str
    path: str
    resource: str
    credential: Credential | None = None
    named: frozenset[Origin] = frozenset()
    is_elsewhere: bool = False


@dataclass(frozen=True)
class _Token:
    value: str
    expires_at: float


_Scopes = tuple[str, ...]
_ANY = ""  # most registries use one scope for all resources, so a new resource begins with the scopes used last


class Authenticator:
    """Answers challenges, and remembers the scopes and tokens for later requests."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._scopes: dict[Subject, _Scopes] = {}
        self._tokens: dict[tuple[str, str, _Scopes, Credential | None], _Token] = {}

    def authorization(self, subject: Subject) -> Authorization | None:
        """Return the authorization last used for a subject, or None if there is none or it has expired."""
        with self._lock:
            scopes = self._scopes.get(subject, self._scopes.get(replace(subject, resource=_ANY)))
        if scopes is None:
            return None
        if not scopes:
            return Authorization(subject.credential.basic) if subject.credential else None
        return self._kept(subject, scopes)

    def answer(
        self, subject: Subject, challenge: Challenge, url: str, *, sent: Authorization | None
    ) -> Authorization | None:
        """Return the authorization to send after a challenge, or None if there is none better than `sent`.

        `url` is the URL that was requested. Raises `RegistryError` if the token service fails or is not trusted.
        """
        if challenge.scheme == "basic":
            return self._basic(subject, sent)
        scopes = self._wanted_scopes(subject, challenge)
        if sent is not None and sent.is_new and self._scopes.get(subject) == scopes:
            return None
        kept = self._kept(subject, scopes)
        if kept is not None and (sent is None or kept.value != sent.value):
            self._remember(subject, scopes)
            return kept
        token = self._fetch(subject, challenge, url, scopes)
        if token is None:
            return None
        self._remember(subject, scopes, token)
        return Authorization(f"Bearer {token.value}", is_new=True)

    def _basic(self, subject: Subject, sent: Authorization | None) -> Authorization | None:
        if subject.credential is None or not subject.credential.password:
            return None
        basic = Authorization(subject.credential.basic)
        if sent is not None and sent.value == basic.value:
            return None
        self._remember(subject, ())
        return basic

    def _wanted_scopes(self, subject: Subject, challenge: Challenge) -> _Scopes:
        """Return the scopes to ask for, newest first, because some registries grant only the first."""
        asked = [scope for scope in challenge.parameters.get("scope", "").split() if _SCOPE.fullmatch(scope)]
        scopes = asked or [f"repository:{subject.path}:pull"]
        if challenge.is_about_scope:
            scopes += self._scopes.get(subject, ())
        return tuple(dict.fromkeys(scopes))[:_MAX_SCOPES]

    def _kept(self, subject: Subject, scopes: _Scopes) -> Authorization | None:
        with self._lock:
            token = self._tokens.get((subject.home, subject.path, scopes, subject.credential))
        if token is None or token.expires_at - _RENEWED_EARLY_SECONDS <= self._clock():
            return None
        return Authorization(f"Bearer {token.value}")

    def _remember(self, subject: Subject, scopes: _Scopes, token: _Token | None = None) -> None:
        with self._lock:
            if len(self._scopes) + len(self._tokens) > _MAX_TOKENS_KEPT:
                self._scopes.clear()
                self._tokens.clear()
            self._scopes[subject] = self._scopes[replace(subject, resource=_ANY)] = scopes
            if token is not None:
                self._tokens[subject.home, subject.path, scopes, subject.credential] = token

    def _fetch(self, subject: Subject, challenge: Challenge, url: str, scopes: _Scopes) -> _Token | None:
        """Return a new token, or None if the realm denies one."""
        request = self._token_request(subject, challenge, url, scopes)
        answer = self._transport.send(request)
        if answer.status in (401, 403, 404) or (answer.status == 400 and subject.credential):
            return None  # OAuth2 answers 400 if an identity token has expired
        if answer.status != 200:
            raise BadAnswer(
                f"the token service of {subject.host} answered with status {answer.status}",
                host=subject.host,
                status=answer.status,
            )
        return _parse_token(answer.body, subject.host, self._clock())

    def _token_request(self, subject: Subject, challenge: Challenge, url: str, scopes: _Scopes) -> Request:
        realm = self._checked_realm(subject, challenge.parameters["realm"], url)
        service = challenge.parameters.get("service")
        fields = [("service", service)] if service else []
        credential = subject.credential
        request = Request(
            method="GET",
            url=realm,
            host=subject.host,
            home=None,
            kind="token",
            max_bytes=_MAX_TOKEN_BYTES,
            named=subject.named,
            max_redirects=0,
        )
        if credential is not None and credential.identity_token:
            form = {
                **dict(fields),
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "scope": " ".join(scopes),
                "refresh_token": credential.identity_token,
            }
            return replace(request, method="POST", form=form, max_retries=0)
        query = urlencode([*fields, *(("scope", scope) for scope in scopes)])
        url_with_query = f"{realm}{'&' if urlsplit(realm).query else '?'}{query}"
        return replace(request, url=url_with_query, authorization=credential.basic if credential else None)

    def _checked_realm(self, subject: Subject, realm: str, url: str) -> str:
        """Return the realm's URL without fragment. Raise `Refused` if it is invalid, or may not get the credential."""
        try:
            target = urljoin(url, realm).partition("#")[0]
            origin = Origin.of(target)
        except ValueError as error:
            raise Refused(f"{subject.host} names a realm that is not a URL", host=subject.host) from error
        if subject.credential is not None and not _may_see_credentials(origin, subject):
            raise Refused(
                f"{subject.host} names {origin.host} as its token service, which is not trusted: if it is right,"
                " name it in MICROBADGER_REGISTRY_SERVERS",
                host=subject.host,
            )
        return target


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return the challenges in a WWW-Authenticate header, in order, without invalid parts.

    >>> parse_challenges('Bearer realm="https://a/token",service="a, b"')[0].parameters["service"]
    'a, b'
    """
    challenges: list[tuple[str, dict[str, str]]] = []
    for match in _ITEM.finditer(header[:_MAX_HEADER_LENGTH]):
        name, quoted, plain = match.groups()
        if quoted is None and plain is None:
            challenges.append((name.lower(), {}))
        elif challenges:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            challenges[-1][1].setdefault(name.lower(), value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in challenges)


def usable_challenge(refusal: Answer, *, has_password: bool) -> Challenge | None:
    """Return the first challenge in a refusal that can be answered, or None.

    Without a password, bearer challenges come first, because their token can be anonymous.
    """
    usable = [
        challenge
        for challenge in parse_challenges(refusal.headers.get("WWW-Authenticate", ""))
        if challenge.scheme == "basic" or (challenge.scheme == "bearer" and challenge.parameters.get("realm"))
    ]
    return min(usable, key=lambda challenge: challenge.scheme == "basic" and not has_password, default=None)


def _parse_token(body: bytes, host: str, now: float) -> _Token:
    """Return the token that a realm sent. Raise `BadAnswer` if it is missing or not valid in a header."""
    try:
        fields = parse_object(body)
    except ValueError:
        fields = {}
    value = fields.get("token") or fields.get("access_token")
    if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
        raise BadAnswer(f"the token service of {host} did not send a valid token", host=host)
    return _Token(value, now + _lifetime_seconds(fields.get("expires_in")))


def _lifetime_seconds(value: object) -> float:
    """Return how long to use a token after receiving it. `issued_at` is ignored: the server's clock may be wrong."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    seconds = value if isinstance(value, int | float) and value < math.inf else 0
    return min(max(seconds, _MIN_LIFETIME_SECONDS), _MAX_LIFETIME_SECONDS)


def _may_see_credentials(realm: Origin, subject: Subject) -> bool:
    home = Origin.of(subject.home)
    return realm in subject.named or realm.host == home.host or realm.host in _known_realms(home.host)


def _known_realms(host: str) -> set[str]:
    if region := _ALIBABA.fullmatch(host):
        return {_ALIBABA_REALM.format(each) for each in (region[1], _ALIBABA_MAIN_REGION)}
    return {_KNOWN_REALMS[host]} if host in _KNOWN_REALMS else set()
