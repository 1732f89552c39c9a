"""What can go wrong with a gateway, by the `type` of its problem documents.

ClientError
├── GatewayUnreachableError   nobody answers, or breaks off: nobody knows what was done
├── NotAuthenticError         TLS refused, on either side; never a retry
├── SignInError               no token for this client; `error` is OAuth's own word
└── ProblemError              the gateway says why: `problem` holds the whole document
    ├── RequestInvalidError   the request cannot be read; it is not the gateway's fault
    ├── RefusedByRuleError    the law, a gate or a rule says no; `reason` is its slug
    ├── OutsideRegistrationError  the client is not registered for this, or its token is not
    ├── NotFoundError         nothing there, or nothing of this client's
    ├── GatewayRefusedError   anything else that asking again does not change
    └── GatewayBusyError      not now; `retry_after_s` says when to come again
"""

from typing import Final

from gateway.wire.problems import Problem


class ClientError(Exception):
    """Something that could not be done through a gateway."""


class GatewayUnreachableError(ClientError):
    """Nobody answered in time, or the answer broke off; it may have been done all the same."""


class NotAuthenticError(ClientError):
    """TLS failed: the gateway's certificate is not of its CA, or it does not take ours."""


class SignInError(ClientError):
    """The token endpoint gave no token."""

    def __init__(self, error: str, description: str | None = None) -> None:
        super().__init__(f"sign-in: {error}" + (f" ({description})" if description else ""))
        self.error = error


class ProblemError(ClientError):
    """The gateway answered with a problem document."""

    def __init__(self, problem: Problem) -> None:
        reason = f" ({problem.reason})" if problem.reason else ""
        super().__init__(f"{problem.type}{reason}: {problem.title}")
        self.problem = problem

    @property
    def type(self) -> str:
        """Return the stable slug."""
        return self.problem.type

    @property
    def reason(self) -> str | None:
        """Return the rule's own slug, where there is one."""
        return self.problem.reason


class RequestInvalidError(ProblemError):
    """The request cannot be read."""


class RefusedByRuleError(ProblemError):
    """A rule says no."""


class OutsideRegistrationError(ProblemError):
    """The client, or its token, may not do this."""


class NotFoundError(ProblemError):
    """There is no such thing, or it is another client's."""


class GatewayRefusedError(ProblemError):
    """The gateway does not do this, and will not when asked again."""


class GatewayBusyError(ProblemError):
    """The gateway cannot do this just now."""

    def __init__(self, problem: Problem, retry_after_s: int) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


_BY_TYPE: Final[dict[str, type[ProblemError]]] = {
    "refused": RefusedByRuleError,
    "withheld": RefusedByRuleError,
    "outside-registration": OutsideRegistrationError,
    "not-permitted": OutsideRegistrationError,
    "insufficient-scope": OutsideRegistrationError,
    "not-found": NotFoundError,
    "unknown-body": NotFoundError,
}
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_INVALID: Final = frozenset({400, 413, 415, 422})


def error_of(problem: Problem, *, retry_after_s: int) -> ProblemError:
    """Return the error that a problem document becomes."""
    named = _BY_TYPE.get(problem.type)
    if named is not None:
        return named(problem)
    if problem.status in _BUSY:
        return GatewayBusyError(problem, retry_after_s)
    if problem.status in _INVALID:
        return RequestInvalidError(problem)
    return GatewayRefusedError(problem)
