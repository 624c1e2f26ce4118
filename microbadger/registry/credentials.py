"""Reads the operator's credentials for registries from the same places as Docker and GitLab.

``DOCKER_AUTH_CONFIG`` holds the text of a ``config.json`` (https://docs.gitlab.com/ci/docker/using_docker_images/).
``DOCKER_CONFIG`` names the folder of that file; the default is ``~/.docker``.
https://docs.docker.com/reference/cli/docker/login/ describes `auths`, `credHelpers` and `credsStore`, and
https://github.com/docker/docker-credential-helpers describes the output of a helper.
"""

import base64
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from microbadger.image import DOCKER_HUB, parse_object
from microbadger.logs import EventLog
from microbadger.store import read_if_any

log = EventLog(__name__)

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_DOCKER_HUB_HOSTS = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_API_VERSIONS = {"", "v1", "v2"}
_IDENTITY_TOKEN_USER = "<token>"  # noqa: S105 - Docker's marker for an identity token, not a secret
_HELPER_SECONDS = 20

RunHelper = Callable[[str, str], bytes | None]


@dataclass(frozen=True)
class Credential:
    """The operator's login for one registry. Its secrets are left out when it is printed."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header for HTTP Basic authentication."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> list[str]:
        """The secrets, both as plain text and encoded as in the Authorization header."""
        return [each for each in (self.password, self.identity_token) if each] + [self.basic.removeprefix("Basic ")]


class Credentials:
    """The credentials of a Docker configuration. Call it with `host/path` to get a repository's credential, or None.

    `run` is called with the name of a credential helper and a server. It returns the output of the helper, or None if
    the helper has no credential.
    """

    def __init__(
        self, stored: Mapping[str, Credential], helpers: Mapping[str, str], store: str | None, run: RunHelper
    ) -> None:
        self._stored = stored
        self._helpers = helpers
        self._store = store
        self._run = run

    @classmethod
    def from_config(cls, config: Mapping[str, object] | None, run_helper: RunHelper) -> "Credentials":
        """Return the credentials of a parsed `config.json`. Raises `ValueError` if it is invalid."""
        config = config or {}
        stored = {}
        for key, entry in _mapping(config, "auths").items():
            credential = _stored_credential(key, entry)
            if credential is not None:
                stored[_place_of(key)] = credential
        helpers = {_place_of(key): _helper(name) for key, name in _mapping(config, "credHelpers").items()}
        store = config.get("credsStore")
        return cls(stored, helpers, _helper(store) if store else None, run_helper)

    @property
    def secrets(self) -> list[str]:
        """All secrets known without running a helper, both as plain text and encoded."""
        return [secret for credential in self._stored.values() for secret in credential.secrets]

    def __call__(self, repository: str) -> Credential | None:
        """Return the credential for `host/path` from the most specific entry that matches, or None.

        For each entry, its credential helper comes before the file. The credentials store is asked for hosts only.
        Raises ValueError if the output of a helper is invalid.
        """
        for place in _places(repository):
            credential = self._helped(place) or self._stored.get(place)
            if credential is not None:
                return credential
        return None

    def _helped(self, place: str) -> Credential | None:
        host = place.partition("/")[0]
        helper = self._helpers.get(place) or (self._store if place == host else None)
        if helper is None:
            return None
        for server in dict.fromkeys((place, host)):  # most helpers know hosts only
            printed = self._run(helper, _DOCKER_HUB_KEY if server == DOCKER_HUB else server)
            if printed and (credential := _helped_credential(printed, server)):
                return credential
        return None


def read_credentials(inline: str, folder: Path | None) -> Credentials:
    """Return the credentials in the configuration text `inline` or, if it is empty, in the folder's ``config.json``.

    Raises ValueError, with no secret in its message, if the configuration is invalid.
    """
    # Passed as bytes, because `json` then accepts a byte order mark and UTF-16, which PowerShell writes.
    content = inline.encode() or (read_if_any(folder / "config.json") if folder else None) or b"{}"
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("the Docker configuration is not JSON") from None
    if not isinstance(config, dict):
        raise ValueError("the Docker configuration is not a JSON object")
    return Credentials.from_config(config, run_helper)


def run_helper(name: str, server: str) -> bytes | None:
    """Return the output of a credential helper for a server, or None if it fails or is not installed.

    https://github.com/docker/docker-credential-helpers#development
    """
    command = [f"docker-credential-{name}", "get"]
    try:
        done = subprocess.run(command, input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("credential_helper_failed", program=command[0], error=type(error).__name__)
        return None
    return done.stdout if done.returncode == 0 else None


def _mapping(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} in the Docker configuration is not an object")
    return value


def _place_of(key: str) -> str:
    """Return the registry, or the path in one, that a key of a Docker configuration means.

    >>> _place_of("https://index.docker.io/v1/"), _place_of("ghcr.io/owner")
    ('docker.io', 'ghcr.io/owner')
    """
    has_scheme = "://" in key
    host, _, path = key.partition("://")[2 if has_scheme else 0].partition("/")
    host, path = host.lower(), path.strip("/")
    host = DOCKER_HUB if host in _DOCKER_HUB_HOSTS else host
    return host if has_scheme or path in _API_VERSIONS else f"{host}/{path}"


def _places(repository: str) -> Iterator[str]:
    """Yield a repository, then each path above it, then its registry.

    https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
    """
    place = _place_of(repository)
    while place:
        yield place
        place = place.rpartition("/")[0]


def _helper(name: object) -> str:
    # Checked because the name becomes part of a program's name.
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise ValueError("the Docker configuration has an invalid name for a credential helper")
    return name


def _stored_credential(key: str, entry: object) -> Credential | None:
    if not isinstance(entry, dict):
        raise ValueError(f"the Docker configuration has no object for {key}")
    username, password = _field(entry, "username"), _field(entry, "password")
    if auth := _field(entry, "auth"):
        username, password = _decoded(auth, key)
    return _credential(username, password.rstrip("\0"), _field(entry, "identitytoken"))


def _decoded(auth: str, key: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if not colon:
        raise ValueError(f"the Docker configuration has no valid auth for {key}")
    return username, password


def _helped_credential(printed: bytes, server: str) -> Credential | None:
    try:
        fields = parse_object(printed)
    except ValueError as error:
        raise ValueError(f"the credential helper for {server} did not print a JSON object") from error
    return _credential(_field(fields, "Username"), _field(fields, "Secret"), "")


def _credential(username: str, password: str, identity_token: str) -> Credential | None:
    if username == _IDENTITY_TOKEN_USER:
        username, password, identity_token = "", "", identity_token or password
    return Credential(username, password, identity_token) if password or identity_token else None


def _field(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
