"""Reads registries and Docker Hub, and believes nothing."""

from microbadger.registry.client import Registry, RemoteRepository
from microbadger.registry.content import ContentCache
from microbadger.registry.credentials import Credentials
from microbadger.registry.docker_config import read_credentials
from microbadger.registry.docker_hub import DockerHub, HubTag, HubTags
from microbadger.registry.errors import BadAnswer, NotFound, RateLimited, RegistryError
from microbadger.registry.transport import Origin, RequestSeen, is_public_host, reason_of, told_delay_seconds

__all__ = [
    "BadAnswer",
    "ContentCache",
    "Credentials",
    "DockerHub",
    "HubTag",
    "HubTags",
    "NotFound",
    "Origin",
    "RateLimited",
    "Registry",
    "RegistryError",
    "RemoteRepository",
    "RequestSeen",
    "is_public_host",
    "read_credentials",
    "reason_of",
    "told_delay_seconds",
]
