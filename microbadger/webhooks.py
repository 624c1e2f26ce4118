"""Reads push webhooks: bytes in, the images they are about out; and makes the tokens that stand in their URLs.

A webhook is a stranger's word. All that is believed of it is *which image and tag to look at*; the registry tells the
rest. What cannot be read names no image.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from itertools import islice

from microbadger.reference import DOCKER_HUB, InvalidReference, Reference, Repository, is_tag

MAX_BODY_BYTES = 3 * 1024 * 1024
_MAX_EVENTS = 1000  # each can become a note on disk

Named = tuple[str, object]
"""A repository as the sender spells it, and what stands where its tag would."""

_ALL_IMAGES = "hooks"


def image_token(secret: str, repository: Repository) -> str:
    """Return the token of an image's webhook: it depends on the secret and the name alone, so no disk can lose it."""
    return _token(secret, f"images/{repository}")


def hooks_token(secret: str) -> str:
    """Return the token of the one webhook for all images."""
    return _token(secret, _ALL_IMAGES)


def is_token(given: str, expected: str) -> bool:
    """Compare tokens in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def references_in(body: bytes) -> list[Reference]:
    """Return the images, with tags where told, that a push or deletion is about; none for what cannot be read."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return []
    named = islice((pair for read in _SENDERS for pair in read(payload)), _MAX_EVENTS)
    return list(dict.fromkeys(filter(None, (_reference(name, tag) for name, tag in named))))


def _docker_hub(payload: object) -> Iterator[Named]:
    """https://docs.docker.com/docker-hub/repos/manage/webhooks/"""
    name = _at(payload, "repository", "repo_name")
    if isinstance(name, str):
        yield f"{DOCKER_HUB}/{name}", _at(payload, "push_data", "tag")


def _distribution(payload: object) -> Iterator[Named]:
    """https://distribution.github.io/distribution/about/notifications/, also sent by GitLab and older registries."""
    events = _at(payload, "events")
    for event in events if isinstance(events, list) else []:
        name, host = _at(event, "target", "repository"), _at(event, "request", "host")
        is_named = isinstance(name, str) and isinstance(host, str)
        is_manifest = _at(event, "target", "mediaType") != "application/octet-stream"  # a blob names no tag
        if is_named and is_manifest and _at(event, "action") in ("push", "delete"):
            yield f"{host}/{name}", _at(event, "target", "tag")


_SENDERS: tuple[Callable[[object], Iterator[Named]], ...] = (_docker_hub, _distribution)


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _reference(name: str, tag: object) -> Reference | None:
    try:
        repository = Repository.parse(name)
    except InvalidReference:
        return None
    return Reference(repository, tag if isinstance(tag, str) and is_tag(tag) else None, None)


def _token(secret: str, subject: str) -> str:
    digest = hmac.digest(secret.encode(), subject.encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
