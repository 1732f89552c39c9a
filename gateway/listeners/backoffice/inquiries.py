"""Back-office zone: inquiries begun, awaited, fetched, acknowledged and taken back."""

import hashlib
import re
from datetime import date
from http import HTTPStatus
from typing import Final

import msgspec

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.domain.inquiry import InquiryState
from gateway.domain.scopes import INQUIRIES_READ, INQUIRIES_WRITE
from gateway.errors import InvalidBodyError, InvalidQueryError
from gateway.flows.inquire import IdempotencyKey, InquiryOrder, InquiryView
from gateway.flows.lawful import Asked
from gateway.flows.open_inquiry import Wording
from gateway.http.paging import cursor_of, read_cursor
from gateway.http.routes import Permission, Reply, Route
from gateway.listeners.backoffice.idempotency import IDEMPOTENCY_KEY, idempotency_key
from gateway.listeners.backoffice.services import BackofficeCall
from gateway.storage.inquiries import InquiryRow
from gateway.wire.backoffice import (
    AnswerGiven,
    ConsentGiven,
    Inquiries,
    InquiriesQuery,
    Inquiry,
    NewInquiry,
)
from policies.citations import CitationError, parse_part
from policies.gates import ConsentStatement
from policies.model import Citation, ProcedureId

WRITE: Final = Permission(INQUIRIES_WRITE)
READ: Final = Permission(INQUIRIES_READ)

PREFER: Final = "Prefer"
_WAIT: Final = re.compile(r"wait=(?P<seconds>[0-9]{1,2})", re.ASCII)
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


async def begin_inquiry(call: BackofficeCall, body: NewInquiry) -> Reply:
    """Ask for one person's information; waits for the answer as long as `Prefer: wait=n` says.

    200 with the inquiry once it has ended, else 202 with its address. A caller who leaves
    cancels nothing; with the same `Idempotency-Key` and body it finds what it began.
    """
    inquire, registration = call.services.inquire, call.caller.registration
    wait_s = _wait_s(call)
    order = _order(body, _idempotency(call, body))
    inquiry_id = await inquire.begin(order, registration)
    if wait_s:
        await inquire.wait(inquiry_id, min(wait_s, call.services.wait_s_max))
    shown = _shown(await inquire.find(inquiry_id, registration))
    is_final = InquiryState(shown.state).is_final
    return Reply(
        shown,
        status=HTTPStatus.OK if is_final else HTTPStatus.ACCEPTED,
        headers={"Location": f"/v1/inquiries/{inquiry_id}"},
    )


async def list_inquiries(call: BackofficeCall) -> Inquiries:
    """List the caller's own inquiries, newest first, without results."""
    query = call.query(InquiriesQuery)
    rows = await call.services.inquire.page(
        call.caller.registration,
        before=read_cursor(query.after),
        state=_state(query.state),
        limit=query.limit,
    )
    following = cursor_of(rows[-1].accepted_at, rows[-1].inquiry_id) if rows else None
    return Inquiries(
        inquiries=[_of_row(row) for row in rows],
        next=following if len(rows) == query.limit else None,
    )


async def show_inquiry(call: BackofficeCall) -> Inquiry:
    """Show one of the caller's own inquiries, with its result until that is acknowledged."""
    return _shown(await call.services.inquire.find(call.path("id"), call.caller.registration))


async def acknowledge_inquiry(call: BackofficeCall) -> None:
    """Say that the result is safely kept; the gateway forgets it."""
    await call.services.inquire.acknowledge(call.path("id"), call.caller.registration)


async def withdraw_inquiry(call: BackofficeCall) -> None:
    """Take an unanswered inquiry back."""
    await call.services.inquire.withdraw(call.path("id"), call.caller.registration)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/inquiries",
        handler=begin_inquiry,
        permission=WRITE,
        summary="Begin an inquiry",
        request=NewInquiry,
        response=Inquiry,
        headers=(PREFER, IDEMPOTENCY_KEY),
        statuses=(HTTPStatus.ACCEPTED, HTTPStatus.OK),
        bytes_max=64 * 1024,
        problems=(
            "refused",
            "outside-registration",
            "no-network-code",
            "unknown-body",
            "idempotency-mismatch",
            "stale-directory",
            "queue-full",
            "slot-stopped",
            "no-free-slot",
        ),
    ),
    Route(
        method="GET",
        path="/v1/inquiries",
        handler=list_inquiries,
        permission=READ,
        summary="List inquiries",
        response=Inquiries,
        query=InquiriesQuery,
    ),
    Route(
        method="GET",
        path="/v1/inquiries/{id}",
        handler=show_inquiry,
        permission=READ,
        summary="Show an inquiry",
        response=Inquiry,
        problems=("not-found",),
    ),
    Route(
        method="DELETE",
        path="/v1/inquiries/{id}",
        handler=withdraw_inquiry,
        permission=WRITE,
        summary="Withdraw an inquiry",
        problems=("not-found", "conflict"),
        statuses=(HTTPStatus.NO_CONTENT,),
    ),
    Route(
        method="POST",
        path="/v1/inquiries/{id}/acknowledgement",
        handler=acknowledge_inquiry,
        permission=WRITE,
        summary="Acknowledge a result",
        problems=("not-found", "conflict"),
        statuses=(HTTPStatus.NO_CONTENT,),
    ),
)


def _order(body: NewInquiry, idempotency: IdempotencyKey | None) -> InquiryOrder:
    return InquiryOrder(
        unified_number=UnifiedNumber.parse(body.unified_number),
        staff=body.staff,
        asked=Asked(
            inquirer_body=body.inquirer_body,
            provider_body=body.provider_body,
            procedure=_procedure(body),
            information=body.information,
            subject_role=body.subject_role,
            legal_basis=body.legal_basis,
            items=tuple(body.items),
            consent=_consent(body.consent),
        ),
        wording=Wording(
            department=body.department,
            non_disclosure=body.non_disclosure,
            condition=body.condition,
        ),
        idempotency=idempotency,
    )


def _procedure(body: NewInquiry) -> ProcedureId | Citation:
    if (body.procedure is None) == (body.citation is None):
        raise InvalidBodyError("either procedure or citation", pointer="/procedure")
    if body.procedure is not None:
        return ProcedureId(body.procedure)
    parts = msgspec.structs.asdict(body.citation)  # type: ignore[arg-type]  # one of the two is there
    try:
        read = {name: parse_part(text) if text else None for name, text in parts.items()}
    except CitationError:
        raise InvalidBodyError("citation: not one", pointer="/citation") from None
    return Citation(
        row_no=read["row"],
        article=read["article"],
        paragraph=read["paragraph"],
        item=read["item"],
        sub_item=read["sub_item"],
    )


def _consent(given: ConsentGiven | None) -> ConsentStatement:
    if given is None:
        return ConsentStatement()
    try:
        day = date.fromisoformat(given.date) if given.date is not None else None
    except ValueError:
        raise InvalidBodyError("consent: no such day", pointer="/consent/date") from None
    return ConsentStatement(ground=given.ground or "", consented_on=day)


def _idempotency(call: BackofficeCall, body: NewInquiry) -> IdempotencyKey | None:
    key = idempotency_key(call)
    if key is None:
        return None
    return IdempotencyKey(key=key, digest=hashlib.sha256(_ENCODER.encode(body)).digest())


def _wait_s(call: BackofficeCall) -> float:
    """Return the seconds of `Prefer: wait=n` (RFC 7240); other preferences are ignored."""
    found = _WAIT.search(call.header(PREFER) or "")
    return float(found["seconds"]) if found else 0.0


def _state(text: str | None) -> InquiryState | None:
    try:
        return InquiryState(text) if text is not None else None
    except ValueError:
        raise InvalidQueryError("state: no such state") from None


def _shown(view: InquiryView) -> Inquiry:
    shown = _of_row(view.row)
    if view.result is None:
        return shown
    return msgspec.structs.replace(shown, result=msgspec.convert(view.result, AnswerGiven))


def _of_row(row: InquiryRow) -> Inquiry:
    return msgspec.convert(
        {
            **row.summary,
            "id": row.inquiry_id,
            "state": row.state.value,
            "accepted_at": instant(row.accepted_at),
            "provider": row.provider,
            "reason": row.reason,
            "permit_id": row.permit_id,
            "finished_at": instant(row.finished_at) if row.finished_at else None,
            "acknowledged_at": instant(row.acknowledged_at) if row.acknowledged_at else None,
        },
        Inquiry,
    )
