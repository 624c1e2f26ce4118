"""Parses the names of images, such as `ghcr.io/owner/app:1.2@sha256:…`.

A *repository* is a registry host and a path. Docker Hub is the default registry, and its official images are
in `library/`: `alpine`, `library/alpine`, `_/alpine` (as Docker Hub's website says) and
`index.docker.io/library/alpine` are one repository, `docker.io/library/alpine`. A *reference* adds a tag, a
digest or both.

All registries and clients share the grammar:
https://github.com/distribution/reference/blob/main/reference.go and, for the total length,
https://github.com/opencontainers/distribution-spec/blob/main/spec.md (section "Pulling manifests");
for digests https://github.com/opencontainers/image-spec/blob/main/descriptor.md (section "Digests").
This module is stricter about hosts, so that each has one spelling and can work. A host is in lower case and obeys the
length limits of RFC 1035. A port has no leading zero. An IPv6 host is compressed and is not a mapped IPv4 address.

No part of a repository is empty, is `.` or `..`, begins with `-` or contains a separator. The constructor checks this,
so every `Repository` is safe as part of a path or a URL.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Self

DOCKER_HUB = "docker.io"

_DOCKER_HUB_ALIASES = {"index.docker.io", "registry-1.docker.io"}
_DOCKER_HUB_WEBSITE = "hub.docker.com"
_OFFICIAL_NAMESPACE = "library"
_OFFICIAL_ON_THE_WEBSITE = "_/"

# The limit for host[:port]/path: many clients refuse longer names (distribution-spec, pulling manifests). It allows a
# host of 253 characters, the maximum of RFC 1035, section 2.3.4, without the final dot.
_MAX_NAME_LENGTH = 255
_MAX_TAG_LENGTH = 128
_MAX_DIGEST_LENGTH = 255  # no limit is specified; the longest registered digest has 135 characters
_MAX_REFERENCE_LENGTH = _MAX_NAME_LENGTH + 1 + _MAX_TAG_LENGTH + 1 + _MAX_DIGEST_LENGTH
_MAX_PORT = 65535

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_HOST = re.compile(
    rf"(?P<name>{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[(?P<ipv6>[0-9A-Fa-f:]+)\])(?::(?P<port>[0-9]+))?",
    re.ASCII,
)
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{_MAX_TAG_LENGTH - 1}}}", re.ASCII)
_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):(?P<encoded>[A-Za-z0-9=_-]+)", re.ASCII)
_REGISTERED_ALGORITHMS = {
    "sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "sha512": re.compile(r"[0-9a-f]{128}", re.ASCII),
    "blake3": re.compile(r"[0-9a-f]{64}", re.ASCII),
}
_IMAGE_ID = _REGISTERED_ALGORITHMS["sha256"]


class InvalidReference(ValueError):
    """A text is not the name of an image. The message is one sentence that says what to write instead."""


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository in its canonical spelling. The constructor raises `InvalidReference` for any other spelling."""

    registry: str
    path: str

    def __post_init__(self) -> None:
        _check_registry(self.registry)
        _check_path(self.path)
        _check_length(self.registry, self.path)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the repository that a text names. Raises `InvalidReference` if it is invalid or has a tag or digest.

        >>> str(Repository.parse("alpine"))
        'docker.io/library/alpine'
        """
        name, tag, digest = _split(text)
        if tag is not None or digest is not None:
            raise InvalidReference(_unwanted(text, name, tag))
        return cls(*_registry_and_path(name))

    @property
    def familiar(self) -> str:
        """The name used in URLs, files and settings: without the host for Docker Hub.

        If a Docker Hub path begins like a host name, the host is kept. Otherwise the name would mean another registry.

        >>> Repository.parse("docker.io/alpine").familiar
        'library/alpine'
        """
        if self.registry != DOCKER_HUB or _is_host(self.path.partition("/")[0]):
            return str(self)
        return self.path

    @property
    def bare(self) -> str | None:
        """The short name of an official image, such as `alpine`; None for any other repository."""
        namespace, _, name = self.path.partition("/")
        is_official = self.registry == DOCKER_HUB and namespace == _OFFICIAL_NAMESPACE and "/" not in name
        return name if is_official and not _IMAGE_ID.fullmatch(name) else None

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository with an optional tag and digest. The constructor raises `InvalidReference` if either is invalid."""

    repository: Repository
    tag: str | None
    digest: str | None

    def __post_init__(self) -> None:
        if self.tag is not None and not is_tag(self.tag):
            raise InvalidReference(
                f"{_quoted(self.tag)} is not a tag: write letters, digits, '_', '.' and '-', "
                f"at most {_MAX_TAG_LENGTH}, and begin with neither '.' nor '-'"
            )
        if self.digest is not None and not is_digest(self.digest):
            raise InvalidReference(
                f"{_quoted(self.digest)} is not a digest: write sha256: and 64 digits or letters from a to f"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference in a text, without a default tag. Raises `InvalidReference` if it is invalid."""
        name, tag, digest = _split(text)
        return cls(Repository(*_registry_and_path(name)), tag, digest)

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.repository.familiar}{tag}{digest}"


def kept_repositories(texts: Iterable[str]) -> list[Repository]:
    """Return the repositories in stored texts, leaving out each text that is not a canonical name.

    >>> kept_repositories(["docker.io/library/alpine", "x!", "alpine"])
    [Repository(registry='docker.io', path='library/alpine')]
    """
    kept = []
    for text in texts:
        with suppress(InvalidReference):
            repository = Repository.parse(text)
            if str(repository) == text:
                kept.append(repository)
    return kept


def is_tag(text: str) -> bool:
    """Return whether a text is a valid tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Return whether a text is a valid digest. For unregistered algorithms, only the grammar is checked."""
    if len(text) > _MAX_DIGEST_LENGTH:
        return False
    match = _DIGEST.fullmatch(text)
    if match is None:
        return False
    registered = _REGISTERED_ALGORITHMS.get(match["algorithm"])
    return registered is None or registered.fullmatch(match["encoded"]) is not None


def in_lower_case(text: str) -> str:
    """Return an image name in lower case, leaving its tag unchanged if it has one.

    >>> in_lower_case("Localhost:5000/Example/Web:V1")
    'localhost:5000/example/web:V1'
    """
    name, colon, tag = _partition_at_tag(text)
    return name.lower() + colon + tag


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Split a text into name, tag and digest without checking these parts."""
    _check_text(text)
    name, at, digest = text.partition("@")
    name, colon, tag = _partition_at_tag(name)
    if _IMAGE_ID.fullmatch(name) or _IMAGE_ID.fullmatch(text.removeprefix("sha256:")):
        raise InvalidReference(
            f"{_quoted(text)} is an image ID: write the name of its repository, such as ghcr.io/owner/app"
        )
    return name, tag if colon else None, digest if at else None


def _partition_at_tag(text: str) -> tuple[str, str, str]:
    parents, slash, last = text.rpartition("/")
    last, colon, tag = last.partition(":")
    return parents + slash + last, colon, tag


def _check_text(text: str) -> None:
    if not text:
        raise InvalidReference("the image name is empty: write one such as ghcr.io/owner/app")
    if len(text) > _MAX_REFERENCE_LENGTH:
        raise InvalidReference(
            f"{_quoted(text)} is too long: it has {len(text)} characters, write at most {_MAX_REFERENCE_LENGTH}"
        )
    if "://" in text:
        raise InvalidReference(
            f"{_quoted(text)} is a web address: write the image name as for docker pull, such as ghcr.io/owner/app"
        )


def _registry_and_path(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not (slash and _is_host(first)):
        return DOCKER_HUB, _docker_hub_path(name)
    registry = _canonical_host(first)
    return registry, _docker_hub_path(rest) if registry == DOCKER_HUB else rest


def _is_host(component: str) -> bool:
    """Return whether the first component of a name is a host, by the same rule as in other clients."""
    return "." in component or ":" in component or component.lower() == "localhost"


def _docker_hub_path(path: str) -> str:
    name = path.removeprefix(_OFFICIAL_ON_THE_WEBSITE)
    if "/" in name:
        return path
    _check_path(name)
    return f"{_OFFICIAL_NAMESPACE}/{name}"


def _canonical_host(text: str) -> str:
    match = _HOST.fullmatch(text)
    if match is None:
        raise InvalidReference(
            f"{_quoted(text)} is not a registry host: write one such as ghcr.io or localhost:5000"
        )
    host = match["name"].lower() if match["ipv6"] is None else _canonical_ipv6(match["ipv6"])
    if match["port"] is not None:
        host = f"{host}:{_checked_port(match['port'])}"
    return DOCKER_HUB if host in _DOCKER_HUB_ALIASES else host


def _canonical_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise InvalidReference(
            f"{_quoted(text)} is not an IPv6 address: write one such as [2001:db8::1] in brackets"
        ) from error
    if address.ipv4_mapped is not None:
        raise InvalidReference(f"[{text}] is an IPv4 address written as IPv6: write {address.ipv4_mapped}")
    return f"[{address.compressed}]"


def _checked_port(text: str) -> str:
    if text.startswith("0") or len(text) > len(str(_MAX_PORT)) or int(text) > _MAX_PORT:
        raise InvalidReference(f"{_quoted(text)} is not a port: write a number from 1 to {_MAX_PORT}")
    return text


def _check_registry(registry: str) -> None:
    if not _is_host(registry):
        raise InvalidReference(
            f"{_quoted(registry)} is not a registry host: write one with a dot or a port, such as localhost:5000"
        )
    canonical = _canonical_host(registry)
    if canonical == _DOCKER_HUB_WEBSITE:
        raise InvalidReference(
            f"{_DOCKER_HUB_WEBSITE} is a website, not a registry: write an image on Docker Hub as owner/app"
        )
    if canonical != registry:
        raise InvalidReference(f"{_quoted(registry)} is not the canonical name of the registry: write {canonical}")


def _check_path(path: str) -> None:
    if _PATH.fullmatch(path):
        return
    lower = path.lower()
    if path.isascii() and _PATH.fullmatch(lower):
        raise InvalidReference(
            f"{_quoted(path)} has upper-case letters, which are not allowed in a path: write {_quoted(lower)}"
        )
    raise InvalidReference(
        f"{_quoted(path)} is not a valid image path: write lower-case letters and digits, separated by single "
        "'/', '.', '_' or '-' ('__' and '--' are allowed too)"
    )


def _check_length(registry: str, path: str) -> None:
    if registry == DOCKER_HUB and "/" not in path:
        raise InvalidReference(f"{_quoted(path)} has no namespace: write {_OFFICIAL_NAMESPACE}/{path}")
    length = len(registry) + 1 + len(path)
    if length > _MAX_NAME_LENGTH:
        raise InvalidReference(
            f"{_quoted(path)} is too long: with its registry it has {length} characters, "
            f"write at most {_MAX_NAME_LENGTH}"
        )


def _unwanted(text: str, name: str, tag: str | None) -> str:
    part = "tag" if tag is not None else "digest"
    return f"{_quoted(text)} has a {part}: write only the repository, {_quoted(name)}"


def _quoted(text: str) -> str:
    """Return a text on one line, shortened, with invisible characters escaped."""
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
