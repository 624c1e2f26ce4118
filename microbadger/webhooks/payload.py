"""Reads which images a push webhook is about, and checks its signature.

A webhook is untrusted. It only says *which image and tag to check*; everything else comes from the registry. No payload
raises an exception here.

Some senders do not know the host name that clients use for their registry. They send no host, or one from a container's
own network. So `references_to` searches the tracked images for the named path: first with the host in the payload, then
with any other host except Docker Hub, whose payloads always name it.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qs, unquote_to_bytes

from microbadger.image import DOCKER_HUB, InvalidReference, Reference, Repository, is_tag
from microbadger.webhooks.senders import Mention, cloud_event, event_grid_code, members, parsed, sender_of
from microbadger.webhooks.tokens import is_token

MAX_BODY_BYTES = 3 * 1024 * 1024
MAX_REFERENCES = 1000  # each reference can become a row of the database

_FORM_FIELD = b"payload="
_MAX_FORM_FIELDS = 100
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GITEA_HEADERS = ("x-gitea-event", "x-forgejo-event")
_UNSIGNED = ("", "sha256=", "sha1=")
_ANY_HOST, _ANY_PATH = "localhost", "a/b"  # placeholders for checking a path or a host on its own
_MAX_NAME_LENGTH = 255  # the limit for names of repositories; parsing a name of megabytes takes a second


@dataclass(frozen=True, slots=True)
class Named:
    """An image as its sender names it. Only the syntax was checked.

    `host` is None if the payload has no valid host. Clients use one of `paths`. If `is_anywhere` is set, clients may
    reach the registry under another host name.
    """

    host: str | None
    paths: tuple[str, ...]
    tag: str | None
    is_anywhere: bool

    def __str__(self) -> str:
        return f"{self.host or '?'}/{self.paths[0]}{f':{self.tag}' if self.tag else ''}"


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of a webhook: its sender, the images it names, and the outcome of reading it.

    The outcomes are `named`, `empty`, `not-json`, `unknown-sender`, `no-image` (a ping, a pull, a layer, or an invalid
    name), `tagged` and `handshake`. With `tagged`, `tags` are tags of the image whose webhook was called. With
    `handshake`, `handshake` is the code to return as `validationResponse`.
    """

    sender: str | None
    named: tuple[Named, ...]
    outcome: str
    handshake: str | None = None
    tags: tuple[str, ...] = ()


def is_signed_wrongly(headers: Mapping[str, str], body: bytes, token: str) -> bool:
    """Return whether a webhook has a signature that does not match its body, with the webhook's token as the key.

    GitHub, Gitea, Nexus and JFrog sign their webhooks if the user entered a secret. Webhooks without a signature are
    accepted, because the token is also in the URL. Without a secret, Gitea sends empty signatures.
    """
    is_gitea = any(name.lower() in _GITEA_HEADERS for name in headers)
    right = _signatures(body, token)
    given = ((value, right.get(name.lower(), ())) for name, value in headers.items())
    return any(
        accepted and not any(is_token(value, each) for each in accepted) and not (is_gitea and value in _UNSIGNED)
        for value, accepted in given
    )


def _signatures(body: bytes, token: str) -> dict[str, tuple[str, ...]]:
    """Return the valid values of each signature header for a body. For a form, Gitea signs the JSON inside it.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    https://docs.gitea.com/usage/webhooks
    https://help.sonatype.com/en/working-with-hmac-payloads.html
    https://docs.jfrog.com/administration/docs/webhooks (the secret itself, unless payloads are set to be signed)
    """
    signed = {body, _without_form(body)}
    sha256, sha1 = (
        tuple(hmac.digest(token.encode(), each, algorithm).hex() for each in signed) for algorithm in ("sha256", "sha1")
    )
    return {
        "x-hub-signature-256": tuple(f"sha256={each}" for each in sha256),
        "x-hub-signature": tuple(f"sha1={each}" for each in sha1),
        **dict.fromkeys(("x-gitea-signature", "x-forgejo-signature", "x-gogs-signature"), sha256),
        "x-nexus-webhook-signature": sha1,
        "x-jfrog-event-auth": (*sha256, token),
    }


def read(headers: Mapping[str, str], body: bytes) -> Payload:
    """Return the content of a webhook, with at most a thousand images. Header names may be in any case."""
    known = {name.lower(): value for name, value in headers.items()}
    content = parsed(_without_form(body).removeprefix(_BYTE_ORDER_MARK))
    content = _form(body) if content is None else content
    if content is None:
        return Payload(None, (), "not-json" if body else "empty")
    events = [cloud_event(known, event) for event in (members(content) if isinstance(content, list) else [content])]
    code = next(filter(None, map(event_grid_code, events)), None)
    if code is not None:
        return Payload("azure", (), "handshake", code)
    sent = [(sender, event) for event in events if (sender := sender_of(known, event))]
    if not sent:
        tags = _tags(content)
        return Payload("ci", (), "tagged", tags=tags) if tags else Payload(None, (), "unknown-sender")
    mentions = (_named(mention, sender.knows_its_host) for sender, event in sent for mention in sender.mentions(event))
    named = tuple(dict.fromkeys(filter(None, mentions)))[:MAX_REFERENCES]
    return Payload(sent[0][0].name, named, "named" if named else "no-image")


def references_to(named: Iterable[Named], tracked_at: Callable[[str], Iterable[Repository]]) -> list[Reference]:
    """Return the tracked images that a webhook named, at most a thousand.

    `tracked_at` returns the tracked images with a path.

    >>> web = Repository.parse("registry.example.org/team/web")
    >>> pushed = Named("registry:5000", ("team/web",), "1.2", is_anywhere=True)
    >>> [str(reference) for reference in references_to([pushed], {"team/web": [web]}.__getitem__)]
    ['registry.example.org/team/web:1.2']
    """
    found = (Reference(repository, each.tag, None) for each in named for repository in _tracked(each, tracked_at))
    return list(dict.fromkeys(islice(found, MAX_REFERENCES)))


def _without_form(body: bytes) -> bytes:
    """Return the JSON inside a form, which GitHub sends by default, or the body itself if it is no such form."""
    if not body.startswith(_FORM_FIELD):
        return body
    field, _, _ = body.removeprefix(_FORM_FIELD).partition(b"&")
    return unquote_to_bytes(field.replace(b"+", b" "))


def _form(body: bytes) -> object:
    """Return the fields of a form that names tags, as `curl -d tag=1.2` sends it; None for any other body."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        return None
    return {"tag": fields["tag"]} if "tag" in fields else None


def _tags(content: object) -> tuple[str, ...]:
    """Return the tags in `{"tag": "1.2"}` or `{"tag": ["1.2", "latest"]}`; none if one of them is not a tag.

    GitLab's webhooks have an `object_kind`, and their tags are Git tags.
    """
    if not isinstance(content, dict) or "object_kind" in content:
        return ()
    value = content.get("tag")
    given = value[:MAX_REFERENCES] if isinstance(value, list) else [value]
    tags = tuple(dict.fromkeys(text for text in given if isinstance(text, str) and is_tag(text)))
    return tags if len(tags) == len(set(map(str, given))) else ()


def _named(mention: Mention, knows_its_host: bool) -> Named | None:
    host = _host(mention.host)
    texts = dict.fromkeys(path for path in mention.paths if isinstance(path, str))
    paths = tuple(path for path in texts if _is_repository(host or _ANY_HOST, path))
    if not paths or (host is None and knows_its_host):
        return None
    tag = mention.tag if isinstance(mention.tag, str) and is_tag(mention.tag) else None
    return Named(host, paths, tag, is_anywhere=not knows_its_host)


def _host(value: object) -> str | None:
    host = value.lower() if isinstance(value, str) else ""
    return host if _is_repository(host, _ANY_PATH) else None


def _is_repository(host: str, path: str) -> bool:
    if len(host) + len(path) > _MAX_NAME_LENGTH:
        return False
    try:
        Repository(host, path)
    except InvalidReference:
        return False
    return True


def _tracked(named: Named, tracked_at: Callable[[str], Iterable[Repository]]) -> list[Repository]:
    repositories = [repository for path in named.paths for repository in tracked_at(path)]
    exact = [repository for repository in repositories if repository.registry == named.host]
    if exact or not named.is_anywhere:
        return exact
    return [repository for repository in repositories if repository.registry != DOCKER_HUB]
