"""Makes the tokens in webhook URLs. They are derived from the secret and a name, so they need not be stored."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from microbadger.image import Repository, image_name

_ALL_IMAGES = "hooks"


@dataclass(frozen=True, slots=True)
class WebhookUrls:
    """The webhook URLs of a service that registries reach at ``base_url``."""

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
    """Return the token of an image's webhook."""
    return _token(secret, f"images/{repository}")


def hooks_token(secret: str) -> str:
    """Return the token of the webhook for all images.

    Senders that sign their webhooks use this token as the secret, too, so users need only one.
    """
    return _token(secret, _ALL_IMAGES)


def is_token(given: str, expected: str) -> bool:
    """Compare tokens in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _token(secret: str, subject: str) -> str:
    digest = hmac.digest(secret.encode(), subject.encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
