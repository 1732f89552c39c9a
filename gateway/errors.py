"""The one tree of errors: a stable public name each, and no status, page or exit code.

SekishoError
├── ConfigurationError            the operator's settings or files; the program does not start
├── InvalidRequestError           what came cannot be read
│   ├── MalformedJsonError  InvalidBodyError  InvalidQueryError  BodyTooLargeError
│   └── UnsupportedMediaTypeError  RequestTimeoutError
├── NotAuthenticatedError         nobody we know
│   └── WrongPassphraseError
├── NotPermittedError             somebody we know, who may not
├── NotFoundError                 nothing there, or nothing of the caller's
│   └── MethodNotAllowedError
├── ConflictError                 not in this state, or not twice
│   └── IdempotencyMismatchError
├── RefusedError                  a rule of the law or of the site says no
│   └── WithheldError             the answer waits for people, or stays back
├── TooManyRequestsError          a named limit of the caller
└── UnavailableError              not now; fail closed, ask again
    ├── QueueFullError  DrainingError  LockedError
    └── StaleDirectoryError  ClockOffError  UnknownResultError

Parts of the gateway add leaves of their own under these; `problem` is the public name and
is kept for ever, the message is for operators and never holds a personal datum.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

_NO_MEMBERS: Final[Mapping[str, object]] = MappingProxyType({})


class SekishoError(Exception):
    """Something that could not be done, under a name that callers can rely on.

    `members` go into the problem document as they are, so they hold slugs, pointers and
    citations, never a value that somebody sent.
    """

    problem: ClassVar[str] = "internal-error"

    def __init__(self, message: str = "", *, members: Mapping[str, object] = _NO_MEMBERS) -> None:
        super().__init__(message or self.problem)
        self.members = members


class ConfigurationError(SekishoError):
    """The settings, or a file they name, cannot be used."""

    problem = "bad-configuration"


class InvalidRequestError(SekishoError):
    """What came cannot be read."""

    problem = "invalid-request"


class MalformedJsonError(InvalidRequestError):
    """The body is no strict JSON; `reason` says why."""

    problem = "malformed-json"

    def __init__(self, message: str = "", *, reason: str = "not-json") -> None:
        super().__init__(message, members={"reason": reason})
        self.reason = reason


class InvalidBodyError(InvalidRequestError):
    """The body is JSON, but not of the shape this route takes; `pointer` says where."""

    problem = "invalid-body"

    def __init__(self, message: str = "", *, pointer: str = "") -> None:
        super().__init__(message, members={"pointer": pointer})
        self.pointer = pointer


class InvalidQueryError(InvalidRequestError):
    """The query, the path or a header is not of the shape this route takes."""

    problem = "invalid-query"


class BodyTooLargeError(InvalidRequestError):
    """The body is longer than the limit of this route."""

    problem = "body-too-large"


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is of a media type or encoding this route does not take."""

    problem = "unsupported-media-type"


class RequestTimeoutError(InvalidRequestError):
    """The body did not come within its time."""

    problem = "request-timeout"


class NotAuthenticatedError(SekishoError):
    """The caller has not proved to be anybody we know."""

    problem = "not-authenticated"


class WrongPassphraseError(NotAuthenticatedError):
    """The passphrase or PIN does not open the master key."""

    problem = "wrong-passphrase"


class NotPermittedError(SekishoError):
    """The caller is known and may not do this."""

    problem = "not-permitted"


class NotFoundError(SekishoError):
    """There is no such thing, or it is not the caller's."""

    problem = "not-found"


class MethodNotAllowedError(NotFoundError):
    """The route exists with other methods only."""

    problem = "method-not-allowed"


class ConflictError(SekishoError):
    """The thing is not in a state that allows this."""

    problem = "conflict"


class IdempotencyMismatchError(ConflictError):
    """The idempotency key was used before with another body."""

    problem = "idempotency-mismatch"


class RefusedError(SekishoError):
    """A rule says no; `reason` is the rule's own slug."""

    problem = "refused"

    def __init__(
        self, message: str = "", *, reason: str, members: Mapping[str, object] = _NO_MEMBERS
    ) -> None:
        super().__init__(message or reason, members={"reason": reason, **members})
        self.reason = reason


class WithheldError(RefusedError):
    """The answer is kept back."""

    problem = "withheld"


class TooManyRequestsError(SekishoError):
    """The caller has used up a named limit for now."""

    problem = "too-many-requests"

    def __init__(self, message: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(SekishoError):
    """It cannot be done safely just now."""

    problem = "unavailable"

    def __init__(self, message: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueueFullError(UnavailableError):
    """A bounded queue holds all it may."""

    problem = "queue-full"


class DrainingError(UnavailableError):
    """The gateway finishes what it has and takes nothing new."""

    problem = "draining"


class LockedError(UnavailableError):
    """The master key has not been opened yet."""

    problem = "locked"


class StaleDirectoryError(UnavailableError):
    """The signed directory is expired or older than what the other side relies on."""

    problem = "stale-directory"


class ClockOffError(UnavailableError):
    """Our clock is too far from the core's or the database's for what we sign to be believed."""

    problem = "clock-off"


class UnknownResultError(UnavailableError):
    """Nobody knows whether a commit happened, so nothing is said about it."""

    problem = "unknown-result"
