"""Makes the tokens in the URLs of webhooks: they depend on the secret and a name alone, so no disk can lose them."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from microbadger.image import Repository, image_name

_ALL_IMAGES = "hooks"


@dataclass(frozen=True, slots=True)
class WebhookUrls:
    """The URLs of all webhooks of a service that registries reach at ``base_url``."""

    base_url: str
    secret: str = field(repr=False)

    def of(self, repository: Repository) -> str:
        """Return the URL of an image's webhook."""
        return f"{self.base_url}/images/{image_name(repository)}/{image_token(self.secret, repository)}"

    @property
    def for_all_images(self) -> str:
        """The URL of the one webhook for all tracked images."""
        return f"{self.base_url}/hooks/{hooks_token(self.secret)}"


def image_token(secret: str, repository: Repository) -> str:
    """Return the token of an image's webhook: it depends on the secret and the name alone, so no disk can lose it."""
    return _token(secret, f"images/{repository}")


def hooks_token(secret: str) -> str:
    """Return the token of the one webhook for all images.

    A sender that signs what it sends is given this token as its secret too, so there is but one to keep.
    """
    return _token(secret, _ALL_IMAGES)


def is_token(given: str, expected: str) -> bool:
    """Compare tokens in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _token(secret: str, subject: str) -> str:
    digest = hmac.digest(secret.encode(), subject.encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
