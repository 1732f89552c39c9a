"""Staff zone: months of the record log that are due, who agrees to their end, legal holds."""

import re
from http import HTTPStatus
from typing import Final

from codes.canonical import instant
from gateway.domain.staff import StaffPermission
from gateway.errors import NotFoundError
from gateway.flows.erase_months import APPROVALS_NEEDED, month_text
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.identity import prove
from gateway.listeners.staff.services import LogStaffCall
from gateway.storage.erasures import LegalHoldRow, MonthRow
from gateway.wire.staff_erasures import (
    ErasureApproval,
    LegalHold,
    LegalHolds,
    LogMonth,
    LogMonths,
    NewLegalHold,
)
from gateway.wire.staff_measures import Made

_BYTES_MAX: Final = 8 * 1024
_MONTH: Final = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])", re.ASCII)


async def list_months(call: LogStaffCall) -> LogMonths:
    """List every month of the record log with its term."""
    return LogMonths(months=[_month(row) for row in await call.services.erase_months.months()])


async def approve_erasure(call: LogStaffCall, body: ErasureApproval) -> LogMonth:
    """Agree that a month goes; with a second person's word it does, and for good.

    Who agrees is who proves password and one-time password in this very message.
    """
    person = await prove(call, body.credential)
    text = call.path("month")
    if not _MONTH.fullmatch(text):
        raise NotFoundError("erasure: no such month")
    return _month(await call.services.erase_months.approve(_number(text), by=person))


async def list_legal_holds(call: LogStaffCall) -> LegalHolds:
    """List legal holds, lifted ones too."""
    rows = await call.services.erase_months.legal_holds()
    return LegalHolds(legal_holds=[_legal_hold(row) for row in rows])


async def set_legal_hold(call: LogStaffCall, body: NewLegalHold) -> Made:
    """Keep months whatever their age; what was agreed before is void."""
    made = await call.services.erase_months.set_legal_hold(
        _number(body.first_month),
        _number(body.last_month),
        ground=body.ground,
        by=call.caller.staff,
    )
    return Made(id=made)


async def lift_legal_hold(call: LogStaffCall) -> None:
    """Let months go again."""
    await call.services.erase_months.lift_legal_hold(call.path("id"), by=call.caller.staff)


_READ: Final = Permission(StaffPermission.ERASURES_READ)
_HOLD: Final = Permission(StaffPermission.LEGAL_HOLDS_WRITE)
_WRITER_PROBLEMS: Final = ("queue-full", "slot-stopped", "no-free-slot")

ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/erasures",
        handler=list_months,
        permission=_READ,
        summary="List the months of the record log and their terms",
        response=LogMonths,
    ),
    Route(
        method="POST",
        path="/v1/erasures/{month}/approvals",
        handler=approve_erasure,
        permission=Permission(StaffPermission.ERASURES_DECIDE),
        summary="Agree that a month of records goes",
        request=ErasureApproval,
        response=LogMonth,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("not-found", "same-approver", "erasure-refused", *_WRITER_PROBLEMS),
    ),
    Route(
        method="GET",
        path="/v1/legal-holds",
        handler=list_legal_holds,
        permission=_READ,
        summary="List legal holds",
        response=LegalHolds,
    ),
    Route(
        method="POST",
        path="/v1/legal-holds",
        handler=set_legal_hold,
        permission=_HOLD,
        summary="Keep months whatever their age",
        request=NewLegalHold,
        response=Made,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("conflict", *_WRITER_PROBLEMS),
    ),
    Route(
        method="POST",
        path="/v1/legal-holds/{id}/lifting",
        handler=lift_legal_hold,
        permission=_HOLD,
        summary="Lift a legal hold",
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("conflict", *_WRITER_PROBLEMS),
    ),
)


def _number(month: str) -> int:
    return int(month.replace("-", ""))


def _month(row: MonthRow) -> LogMonth:
    return LogMonth(
        month=month_text(row.month),
        state=row.state,  # type: ignore[arg-type]  # the table's CHECK names the same words
        due_at=instant(row.due_at),
        is_due=row.is_due,
        is_held=row.is_held,
        approvals=row.approvals,
        approvals_needed=APPROVALS_NEEDED,
        evidence=row.evidence,
    )


def _legal_hold(row: LegalHoldRow) -> LegalHold:
    return LegalHold(
        id=row.legal_hold_id,
        first_month=month_text(row.first_month),
        last_month=month_text(row.last_month),
        ground=row.ground,
        maker=row.set_by,
        set_at=instant(row.set_at),
        lifted_at=instant(row.lifted_at) if row.lifted_at else None,
    )
