"""Reads the registry credentials an operator keeps where Docker and GitLab look for them.

``DOCKER_AUTH_CONFIG`` holds the text of a ``config.json`` (https://docs.gitlab.com/ci/docker/using_docker_images/);
``DOCKER_CONFIG`` names the folder of the file, ``~/.docker`` if it is not set.
"""

import json
import subprocess
from pathlib import Path

from microbadger.logs import EventLog
from microbadger.registry.credentials import Credentials
from microbadger.store import read_if_any

log = EventLog(__name__)

_HELPER_SECONDS = 20


def read_credentials(inline: str, folder: Path | None) -> Credentials:
    """Return the credentials in a configuration given as text, or else in that folder's ``config.json``.

    Raises ValueError, whose text holds no secret, for what makes no sense.
    """
    content = inline.encode() or (read_if_any(folder / "config.json") if folder else None) or b"{}"
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("the Docker configuration is no JSON") from None
    if not isinstance(config, dict):
        raise ValueError("the Docker configuration is no JSON object")
    return Credentials.from_config(config, run_helper)


def run_helper(name: str, server: str) -> bytes | None:
    """Return what a credential helper prints for a server; None if it knows none or is not installed.

    https://github.com/docker/docker-credential-helpers#development
    """
    command = [f"docker-credential-{name}", "get"]
    try:
        done = subprocess.run(command, input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("credential_helper_failed", program=command[0], error=type(error).__name__)
        return None
    return done.stdout if done.returncode == 0 else None
