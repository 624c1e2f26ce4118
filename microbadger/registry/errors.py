"""Every way in which a request to a registry can fail.

    RegistryError
    ├── Unreachable    no answer, or only server errors; temporary
    ├── RateLimited    asked to stay away for a while; temporary
    ├── NotFound       the registry has no such thing
    ├── Denied         not found or private: registries do not say which
    ├── BadAnswer      an answer that breaks the protocol, a bound or a digest
    └── Refused        an address, redirect or realm that we do not follow
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


def code_of(body: bytes) -> str:
    """Return the code by which a registry names an error, to follow a message; empty if it is none of those known.

    Errors are published, and a registry's own words can repeat a credential in any form, or what only its owner may
    read. They are left out wherever they come from: what is missing would say which registries have a credential.
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """
    code = next(_errors_in(body), {}).get("code")
    return f" ({code})" if code in _CODES else ""


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
