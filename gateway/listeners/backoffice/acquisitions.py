"""Back-office zone: the registry acquires codes, looks how they stand, and changes them."""

from http import HTTPStatus
from typing import Final

import msgspec

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.domain.scopes import ACQUISITIONS_READ, ACQUISITIONS_WRITE, CODES_WRITE
from gateway.errors import InvalidBodyError, InvalidQueryError, SekishoError
from gateway.flows.acquire_codes import Acquired
from gateway.flows.wanted_codes import PersonShown
from gateway.http.items import item_problem
from gateway.http.paging import cursor_of, read_cursor
from gateway.http.routes import Permission, Route
from gateway.listeners.backoffice.services import LISTENER, BackofficeCall
from gateway.storage.code_acquisitions import STATES
from gateway.wire.acquisitions import (
    Acquisition,
    AcquisitionListed,
    AcquisitionPage,
    Acquisitions,
    AcquisitionsQuery,
    CodeChange,
    CodeHandOver,
    CodesLookup,
    CodeStanding,
    CodeStandings,
    CodesWantedPage,
    CodesWantedQuery,
    CodeWantedListed,
    CodeWantedSent,
    NewAcquisitions,
    NewCodeWanted,
    PersonFacts,
)

READ: Final = Permission(ACQUISITIONS_READ)
WRITE: Final = Permission(ACQUISITIONS_WRITE)
CHANGE: Final = Permission(CODES_WRITE)


async def acquire_codes(call: BackofficeCall, body: NewAcquisitions) -> Acquisitions:
    """Begin to acquire network codes; each answer brings the number for the resident network.

    Asked again while an acquisition is open, the same number comes back.
    """
    numbers = [UnifiedNumber.parse(text) for text in body.unified_numbers]
    acquired = await call.services.acquire.begin(numbers, call.caller.registration)
    return Acquisitions(
        acquisitions=[
            _acquisition(text, one)
            for text, one in zip(body.unified_numbers, acquired, strict=True)
        ]
    )


async def list_acquisitions(call: BackofficeCall) -> AcquisitionPage:
    """List the caller's own acquisitions, newest first, without the people."""
    query = call.query(AcquisitionsQuery)
    if query.state is not None and query.state not in STATES:
        raise InvalidQueryError("state: no such state")
    rows = await call.services.acquire.page(
        call.caller.registration,
        before=read_cursor(query.after),
        state=query.state,
        limit=query.limit,
    )
    is_full = len(rows) == query.limit
    return AcquisitionPage(
        acquisitions=[
            AcquisitionListed(
                id=row.request_id,
                state=row.state,
                requested_at=instant(row.requested_at),
                finished_at=instant(row.finished_at) if row.finished_at else None,
            )
            for row in rows
        ],
        next=cursor_of(rows[-1].requested_at, rows[-1].request_id) if is_full else None,
    )


async def look_up_codes(call: BackofficeCall, body: CodesLookup) -> CodeStandings:
    """Say how people's codes stand; nothing of the codes themselves."""
    numbers = [UnifiedNumber.parse(text) for text in body.unified_numbers]
    states = await call.services.acquire.standings(numbers)
    return CodeStandings(
        people=[
            CodeStanding(unified_number=text, state=state)
            for text, state in zip(body.unified_numbers, states, strict=True)
        ]
    )


async def suspend_code(call: BackofficeCall, body: CodeChange) -> None:
    """Let nobody use a person's code from now on."""
    number = UnifiedNumber.parse(body.unified_number)
    await call.services.change_codes.suspend(number, body.reason, call.caller.registration)


async def resume_code(call: BackofficeCall, body: CodeChange) -> None:
    """Let a suspended code be used again."""
    number = UnifiedNumber.parse(body.unified_number)
    await call.services.change_codes.resume(number, body.reason, call.caller.registration)


async def move_code(call: BackofficeCall, body: CodeHandOver) -> None:
    """Let another unified number have a person's code, after a merge or a split of numbers."""
    if body.unified_number == body.to_unified_number:
        raise InvalidBodyError("code: two numbers", pointer="/to_unified_number")
    await call.services.change_codes.hand_over(
        UnifiedNumber.parse(body.unified_number),
        UnifiedNumber.parse(body.to_unified_number),
        body.reason,
        call.caller.registration,
    )


async def want_code(call: BackofficeCall, body: NewCodeWanted) -> CodeWantedSent:
    """Ask a provider that has no code for a person to acquire one (令26③)."""
    person = msgspec.convert(msgspec.to_builtins(body.person), PersonShown)
    sent = await call.services.wanted.ask(body.provider, person, body.id, call.caller.registration)
    return CodeWantedSent(id=sent)


async def list_wanted_codes(call: BackofficeCall) -> CodesWantedPage:
    """List the people whom other organisations want a code for, newest first."""
    query = call.query(CodesWantedQuery)
    wanted = await call.services.wanted.page(before=read_cursor(query.after), limit=query.limit)
    is_full = len(wanted) == query.limit
    return CodesWantedPage(
        requests=[
            CodeWantedListed(
                id=one.request_id,
                inquirer=one.inquirer,
                received_at=instant(one.received_at),
                person=msgspec.convert(msgspec.to_builtins(one.person), PersonFacts),
            )
            for one in wanted
        ],
        next=cursor_of(wanted[-1].received_at, wanted[-1].request_id) if is_full else None,
    )


def _acquisition(text: str, one: Acquired | SekishoError) -> Acquisition:
    if isinstance(one, SekishoError):
        return Acquisition(unified_number=text, problem=item_problem(one, listener=LISTENER))
    return Acquisition(
        unified_number=text,
        id=one.request_id,
        state=one.state,
        acquisition_number=one.number.text if one.number is not None else None,
    )


_PEER: Final = ("peer-unavailable", "peer-refused", "peer-protocol", "stale-directory")

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/code-acquisitions",
        handler=acquire_codes,
        permission=WRITE,
        summary="Acquire network codes",
        request=NewAcquisitions,
        response=Acquisitions,
        bytes_max=64 * 1024,
        problems=("queue-full", *_PEER),
    ),
    Route(
        method="GET",
        path="/v1/code-acquisitions",
        handler=list_acquisitions,
        permission=READ,
        summary="List code acquisitions",
        response=AcquisitionPage,
        query=AcquisitionsQuery,
    ),
    Route(
        method="POST",
        path="/v1/code-acquisitions:lookup",
        handler=look_up_codes,
        permission=READ,
        summary="Look how people's codes stand",
        request=CodesLookup,
        response=CodeStandings,
        bytes_max=64 * 1024,
    ),
    Route(
        method="POST",
        path="/v1/network-codes:suspend",
        handler=suspend_code,
        permission=CHANGE,
        summary="Suspend a code",
        request=CodeChange,
        bytes_max=4 * 1024,
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("not-found", "conflict", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/network-codes:resume",
        handler=resume_code,
        permission=CHANGE,
        summary="Resume a code",
        request=CodeChange,
        bytes_max=4 * 1024,
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("not-found", "conflict", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/network-codes:move",
        handler=move_code,
        permission=CHANGE,
        summary="Move a code to another number",
        request=CodeHandOver,
        bytes_max=4 * 1024,
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("not-found", "conflict", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/codes-wanted",
        handler=want_code,
        permission=WRITE,
        summary="Ask another organisation to acquire a code",
        request=NewCodeWanted,
        response=CodeWantedSent,
        bytes_max=16 * 1024,
        problems=("not-found", "queue-full", *_PEER),
    ),
    Route(
        method="GET",
        path="/v1/codes-wanted",
        handler=list_wanted_codes,
        permission=READ,
        summary="List people whom others want a code for",
        response=CodesWantedPage,
        query=CodesWantedQuery,
    ),
)
