"""The address of a bucket and the credentials for it."""

import re
from dataclasses import dataclass, field
from importlib import import_module
from urllib.parse import urlsplit

from microbadger.site.tree import PublicTree

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"(?:[\w-][\w.-]*(?:/[\w-][\w.-]*)*)?", re.ASCII)
_LONGEST_PREFIX = 200  # characters, so that a key is never too long


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """A prefix in a bucket, its server, and credentials. Empty fields are taken from the platform."""

    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    endpoint: str = ""
    key_id: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    ca_bundle: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse_bucket_url(text: str) -> tuple[str, str]:
    """Return the bucket and the prefix that a URL names. Raises ValueError.

    >>> parse_bucket_url("s3://badges/public/")
    ('badges', 'public')
    """
    text = text.strip()
    url = urlsplit(text)  # this removes line breaks
    bucket, prefix = url.netloc, url.path.strip("/")
    is_valid = text.isprintable() and url.scheme == "s3" and not url.query and not url.fragment
    if not is_valid or not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX:
        raise ValueError("must be a folder, or a bucket such as s3://bucket/prefix")
    try:
        import_module("obstore")
    except ImportError:
        raise ValueError("a bucket needs obstore; install it with: pip install obstore") from None
    return bucket, prefix


def open_bucket(address: BucketAddress) -> PublicTree:
    """Return the public tree in a bucket, without sending a request to it yet."""
    from microbadger.site.bucket import PublicBucket  # the library is needed only with a bucket

    return PublicBucket(address)
