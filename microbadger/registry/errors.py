"""The exceptions that a request to a registry can raise.

    RegistryError
    ├── Unreachable    no answer, or only server errors; temporary
    ├── RateLimited    the host asked for a pause; temporary
    ├── NotFound       the registry has no such repository, tag or content
    ├── Denied         not found or private: registries do not say which
    ├── BadAnswer      an answer that breaks the protocol, a bound or a digest
    └── Refused        an address, redirect or realm that MicroBadger does not follow
"""

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar

from microbadger.image import parse_object

_CODES = (
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
    *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"),
    *("DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
)
_MAX_ERRORS = 10
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
_NO_REPOSITORY = frozenset({"NAME_UNKNOWN", "REPOSITORY_UNKNOWN", "REPOSITORY_NOT_FOUND"})
# Harbor uses NOT_FOUND for everything; Quay uses TAG_EXPIRED.
_NO_CONTENT = frozenset({"MANIFEST_UNKNOWN", "TAG_UNKNOWN", "TAG_EXPIRED", "NOT_FOUND"})


class RegistryError(Exception):
    """A request failed. The message is one sentence without secrets; `kind` is a stable word for counting.

    If `temporary` is set, the same request may succeed later. `retry_after_seconds` is the delay that the host asked
    for, if any. `codes` are the error codes in the registry's answer.
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
    """A host asked for a pause, or is still paused."""

    kind = "rate_limited"
    temporary = True


class NotFound(RegistryError):
    """A registry says that it has no such repository, tag or content.

    A server under maintenance, or a proxy in front of the registry, can answer 404 too, but without an error code.
    """

    kind = "not_found"

    @property
    def is_explicit(self) -> bool:
        """Whether an error code shows that the answer comes from the registry itself."""
        return bool(self.codes & (_NO_REPOSITORY | _NO_CONTENT))

    @property
    def is_of_repository(self) -> bool:
        """Whether an error code says that the whole repository does not exist."""
        return bool(self.codes & _NO_REPOSITORY)


class Denied(RegistryError):
    """A registry denies access."""

    kind = "denied"


class BadAnswer(RegistryError):
    """An answer breaks the protocol, exceeds a bound or does not match its digest."""

    kind = "bad_answer"


class Refused(RegistryError):
    """A host points to an address, redirect or realm that MicroBadger does not follow."""

    kind = "refused"


def code_of(body: bytes) -> str:
    """Return the first error code in a body, in parentheses, to append to a message; empty unless the code is known.

    Error messages are published, and a registry's own text can repeat a credential or reveal private data. That text
    is never used: leaving it out only sometimes would reveal which registries have a credential.
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    code = next(_errors_in(body), {}).get("code")
    return f" ({code})" if code in _CODES else ""


def codes_in(body: bytes) -> frozenset[str]:
    """Return the error codes in the body of an answer."""
    return frozenset(code for error in _errors_in(body) if isinstance(code := error.get("code"), str))


def _errors_in(body: bytes) -> Iterator[Mapping[str, object]]:
    try:
        errors = parse_object(body).get("errors")
    except ValueError:
        return
    if isinstance(errors, list):
        yield from (error for error in errors[:_MAX_ERRORS] if isinstance(error, dict))
