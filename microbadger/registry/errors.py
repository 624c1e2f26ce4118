"""Every way in which a request to a registry can fail.

    RegistryError
    ├── Unreachable    no answer, or only server errors; temporary
    ├── RateLimited    asked to stay away for a while; temporary
    ├── NotFound       the registry has no such thing
    ├── Denied         not found or private: registries do not say which
    ├── BadAnswer      an answer that breaks the protocol, a bound or a digest
    └── Refused        an address, redirect or realm that we do not follow
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import ClassVar

from microbadger.image import parse_object
from microbadger.logs import Redaction

_MAX_WORDS_LENGTH = 200
_CODES = (
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
    *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"),
    *("DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
)
_MAX_READ_LENGTH = 8000  # secrets are found only whole, and a token is long
_MAX_ERRORS = 10
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
_NO_REPOSITORY = frozenset({"NAME_UNKNOWN", "REPOSITORY_UNKNOWN", "REPOSITORY_NOT_FOUND"})
# Harbor says NOT_FOUND of everything, and Quay that a tag has expired.
_NO_CONTENT = frozenset({"MANIFEST_UNKNOWN", "TAG_UNKNOWN", "TAG_EXPIRED", "NOT_FOUND"})


class RegistryError(Exception):
    """A request failed; the message is one sentence without secrets, `kind` one stable word for counting.

    `temporary` says that the same request may succeed later; `retry_after_seconds` when, if the host said so.
    `codes` are those by which a registry named the errors.
    """

    kind: ClassVar[str] = "error"
    temporary: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        host: str,
        status: int | None = None,
        codes: Collection[str] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.host = host
        self.status = status
        self.codes = frozenset(codes)
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
    """A registry says that it has no such repository, tag or content.

    A server that is being repaired, or one in front of the registry, answers so, too: then without a code.
    """

    kind = "not_found"

    @property
    def is_explicit(self) -> bool:
        """Whether the registry itself says so, in a code of its own."""
        return bool(self.codes & (_NO_REPOSITORY | _NO_CONTENT))

    @property
    def is_of_repository(self) -> bool:
        """Whether the registry itself says that it does not have the repository."""
        return bool(self.codes & _NO_REPOSITORY)


class Denied(RegistryError):
    """A registry denies access."""

    kind = "denied"


class BadAnswer(RegistryError):
    """An answer breaks the protocol, exceeds a bound or is not what its digest names."""

    kind = "bad_answer"


class Refused(RegistryError):
    """A host leads to an address, redirect or realm that we do not follow."""

    kind = "refused"


def words_of(body: bytes, secrets: Iterable[str], *, has_credential: bool = False) -> str:
    """Return a registry's own words for an error, cut and made harmless, to follow a message; empty if it has none.

    They are published, so they hold none of the secrets, nor what signs a URL. One that was given a credential may say
    what only its owner should read, in any words: of those, only a code that the specification knows is repeated.
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    first = next(_errors_in(body), None)
    if first is None:
        return ""
    if has_credential:
        return f" ({first['code']})" if first.get("code") in _CODES else ""
    words = " ".join(str(first[key]) for key in ("code", "message") if isinstance(first.get(key), str))
    redacted = Redaction(secrets).of(words[:_MAX_READ_LENGTH])
    harmless = " ".join("".join(char if char.isprintable() else " " for char in redacted).split())
    return f" ({harmless[:_MAX_WORDS_LENGTH]})" if harmless else ""


def codes_in(body: bytes) -> frozenset[str]:
    """Return the codes by which a registry names the errors in an answer."""
    return frozenset(code for error in _errors_in(body) if isinstance(code := error.get("code"), str))


def _errors_in(body: bytes) -> Iterator[Mapping[str, object]]:
    try:
        errors = parse_object(body).get("errors")
    except ValueError:
        return
    if isinstance(errors, list):
        yield from (error for error in errors[:_MAX_ERRORS] if isinstance(error, dict))
