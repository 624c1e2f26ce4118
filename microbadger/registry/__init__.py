"""Reads image registries and Docker Hub's web API, and checks everything that they send."""

from microbadger.registry.client import Registry
from microbadger.registry.content import Content
from microbadger.registry.credentials import Credentials, read_credentials
from microbadger.registry.docker_hub import DockerHub, HubTag, HubTags
from microbadger.registry.errors import BadAnswer, Denied, NotFound, RateLimited, RegistryError, Unreachable
from microbadger.registry.holds import LONGEST_PAUSE_SECONDS
from microbadger.registry.remote import RawManifest, RemoteRepository
from microbadger.registry.server_settings import parse_mirrors, parse_registries, parse_registry_servers
from microbadger.registry.servers import Servers

__all__ = [
    "LONGEST_PAUSE_SECONDS",
    "BadAnswer",
    "Content",
    "Credentials",
    "Denied",
    "DockerHub",
    "HubTag",
    "HubTags",
    "NotFound",
    "RateLimited",
    "RawManifest",
    "Registry",
    "RegistryError",
    "RemoteRepository",
    "Servers",
    "Unreachable",
    "parse_mirrors",
    "parse_registries",
    "parse_registry_servers",
    "read_credentials",
]
