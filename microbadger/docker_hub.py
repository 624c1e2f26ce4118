"""Asks Docker Hub's web API what its registry does not tell: description, pulls and stars."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from microbadger.metadata import HubDetails
from microbadger.reference import DOCKER_HUB, Repository
from microbadger.registry_errors import RegistryError
from microbadger.transport import Request, Transport

log = logging.getLogger(__name__)

_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DockerHub:
    """The web API at ``url``; with an empty one nothing is asked. https://docs.docker.com/reference/api/hub/latest/"""

    transport: Transport
    url: str

    def details(self, repository: Repository) -> HubDetails | None:
        """Return what Docker Hub tells of an image; None for other registries, and where it does not answer well."""
        if repository.registry != DOCKER_HUB or not self.url:
            return None
        namespace, _, name = repository.path.partition("/")
        url = f"{self.url}/v2/namespaces/{namespace}/repositories/{name}"
        try:
            answer = self.transport.send(
                Request("GET", url, host=DOCKER_HUB, kind="details", home=self.url, max_bytes=_MAX_BYTES)
            )
        except RegistryError as error:
            log.info("no details from Docker Hub image=%s error=%r", repository.familiar, str(error))
            return None
        return parse_details(answer.body) if answer.status == 200 else None


def parse_details(body: bytes) -> HubDetails | None:
    """Return what an answer tells, field by field; None where it is no JSON object."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    description, updated = fields.get("description"), fields.get("last_updated")
    return HubDetails(
        description=description.strip() or None if isinstance(description, str) else None,
        last_updated=_time(updated) if isinstance(updated, str) else None,
        pull_count=_count(fields.get("pull_count")),
        star_count=_count(fields.get("star_count")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
