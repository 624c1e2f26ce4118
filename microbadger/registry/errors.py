"""Every way in which a request to a registry can fail.

    RegistryError
    ├── Unreachable    no answer, or only server errors; temporary
    ├── RateLimited    asked to stay away for a while; temporary
    ├── NotFound       the registry has no such thing
    ├── Denied         not found or private: registries do not say which
    ├── BadAnswer      an answer that breaks the protocol, a bound or a digest
    └── Refused        an address, redirect or realm that we do not follow
"""

from collections.abc import Iterable
from typing import ClassVar

from microbadger.image import parse_object
from microbadger.logs import Redaction

_MAX_WORDS_LENGTH = 200
_MAX_READ_LENGTH = 8000  # secrets are found only whole, and a token is long


class RegistryError(Exception):
    """A request failed; the message is one sentence without secrets, `kind` one stable word for counting.

    `temporary` says that the same request may succeed later; `retry_after_seconds` when, if the host said so.
    """

    kind: ClassVar[str] = "error"
    temporary: ClassVar[bool] = False

    def __init__(
        self, message: str, *, host: str, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.host = host
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Unreachable(RegistryError):
    """A host did not answer, or only with server errors."""

    kind = "unreachable"
    temporary = True


class RateLimited(RegistryError):
    """A host asked to be left alone for a while."""

    kind = "rate_limited"
    temporary = True


class NotFound(RegistryError):
    """A registry says that it has no such repository, tag or content."""

    kind = "not_found"


class Denied(RegistryError):
    """A registry denies access."""

    kind = "denied"


class BadAnswer(RegistryError):
    """An answer breaks the protocol, exceeds a bound or is not what its digest names."""

    kind = "bad_answer"


class Refused(RegistryError):
    """A host leads to an address, redirect or realm that we do not follow."""

    kind = "refused"


def words_of(body: bytes, secrets: Iterable[str]) -> str:
    """Return a registry's own words for an error, cut and made harmless, to follow a message; empty if it has none.

    They are published, so they hold none of the secrets, nor what signs a URL.
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    try:
        errors = parse_object(body).get("errors")
    except ValueError:
        return ""
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return ""
    words = " ".join(str(first[key]) for key in ("code", "message") if isinstance(first.get(key), str))
    redacted = Redaction(secrets).of(words[:_MAX_READ_LENGTH])
    harmless = " ".join("".join(char if char.isprintable() else " " for char in redacted).split())
    return f" ({harmless[:_MAX_WORDS_LENGTH]})" if harmless else ""
