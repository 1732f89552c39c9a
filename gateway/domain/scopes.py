"""What a client's token may say it may do: `system:resource:operation`, a closed list. Pure."""

from typing import Final

from gateway.errors import NotPermittedError

INQUIRIES_WRITE: Final = "inquiry:inquiries:write"
INQUIRIES_READ: Final = "inquiry:inquiries:read"
ACQUISITIONS_WRITE: Final = "code:acquisitions:write"
ACQUISITIONS_READ: Final = "code:acquisitions:read"
CODES_WRITE: Final = "code:codes:write"
REPLICAS_WRITE: Final = "replica:batches:write"
REPLICAS_READ: Final = "replica:batches:read"
FLAGS_WRITE: Final = "flag:flags:write"
FLAGS_READ: Final = "flag:flags:read"
DECISIONS_READ: Final = "policy:decisions:read"
TOKENS_INTROSPECT: Final = "oauth:tokens:introspect"

SCOPES: Final = frozenset(
    {
        INQUIRIES_WRITE,
        INQUIRIES_READ,
        ACQUISITIONS_WRITE,
        ACQUISITIONS_READ,
        CODES_WRITE,
        REPLICAS_WRITE,
        REPLICAS_READ,
        FLAGS_WRITE,
        FLAGS_READ,
        DECISIONS_READ,
        TOKENS_INTROSPECT,
    }
)
"""Every scope there is; a client is registered for some of them by the operator."""


class InsufficientScopeError(NotPermittedError):
    """The token does not cover what this route asks for."""

    problem = "insufficient-scope"


def require_scope(held: frozenset[str], wanted: str) -> None:
    """Return quietly if the scope is among those held, else raise `InsufficientScopeError`."""
    if wanted not in held:
        raise InsufficientScopeError(f"route: needs {wanted}")


def read_scopes(text: str) -> frozenset[str]:
    """Return scopes written as RFC 6749 §3.3 does: parted by single blanks, none twice.

    Raises:
        ValueError: spelt otherwise; what the scopes are is not looked at.
    """
    parts = text.split(" ")
    if not all(parts) or len(set(parts)) != len(parts):
        raise ValueError("scope: parted by single blanks, none twice")
    return frozenset(parts)


def write_scopes(scopes: frozenset[str]) -> str:
    """Return scopes as RFC 6749 §3.3 writes them."""
    return " ".join(sorted(scopes))
