"""Reads registries and Docker Hub; believes nothing."""

from microbadger.registry.client import Registry
from microbadger.registry.content import Content
from microbadger.registry.credentials import Credentials, read_credentials
from microbadger.registry.docker_hub import HubTag, HubTags
from microbadger.registry.errors import BadAnswer, NotFound, RateLimited, RegistryError
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from microbadger.registry.tag_list import TagList

__all__ = [
    "BadAnswer",
    "Content",
    "Credentials",
    "HubTag",
    "HubTags",
    "NotFound",
    "RateLimited",
    "Registry",
    "RegistryError",
    "RemoteRepository",
    "Servers",
    "TagList",
    "read_credentials",
]
