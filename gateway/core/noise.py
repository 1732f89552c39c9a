"""What reaches the core without being authentic: counted, folded, never an entry each."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from gateway.flows.evidence import SecurityEvents
from gateway.flows.statements import StatementInvalidError
from gateway.flows.trust import Trust
from gateway.http.members import Member, UnknownMemberError, WrongMemberError, authenticate_members
from gateway.http.routes import Permission

STRANGER: Final = "stranger"


@contextmanager
def noting(events: SecurityEvents, peer: str) -> Iterator[None]:
    """Count a message of this peer that proves nothing."""
    try:
        yield
    except StatementInvalidError as error:
        events.note(peer, error.reason)
        raise


def authenticate_and_note(
    trust: Trust, events: SecurityEvents
) -> Callable[[web.Request, Permission], Awaitable[Member | None]]:
    """Return the authentication of members that also counts those who are none."""
    authenticate = authenticate_members(trust)

    async def authenticate_noting(request: web.Request, permission: Permission) -> Member | None:
        try:
            return await authenticate(request, permission)
        except (UnknownMemberError, WrongMemberError) as error:
            events.note(STRANGER, error.problem)
            raise

    return authenticate_noting
