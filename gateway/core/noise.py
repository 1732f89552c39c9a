"""What reaches the core without being authentic: counted, folded, never an entry each."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.flows.evidence import SecurityEvents
from gateway.flows.statements import StatementInvalidError


@contextmanager
def noting(events: SecurityEvents, peer: str) -> Iterator[None]:
    """Count a message of this peer that proves nothing."""
    try:
        yield
    except StatementInvalidError as error:
        events.note(peer, error.reason)
        raise
