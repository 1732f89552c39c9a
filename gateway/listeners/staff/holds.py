"""Staff zone: held answers listed, looked at, let go or refused by who proves to be there."""

from http import HTTPStatus
from typing import Final

from codes.canonical import instant
from gateway.domain.hold import HoldState
from gateway.domain.staff import Staff, StaffPermission
from gateway.flows import release
from gateway.flows.release import Decider
from gateway.http.paging import cursor_of, read_cursor
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.identity import prove
from gateway.listeners.staff.services import StaffCall
from gateway.storage.holds import HoldRow
from gateway.wire.staff_holds import (
    Approval,
    Decision,
    Hold,
    HoldPreview,
    HoldRefusal,
    Holds,
    HoldsQuery,
)
from policies.release import RefusalGround

_BYTES_MAX: Final = 8 * 1024


async def list_holds(call: StaffCall) -> Holds:
    """List held answers, newest first; nothing of the people they are about."""
    query = call.query(HoldsQuery)
    rows = await call.services.release.page(
        state=HoldState(query.state) if query.state is not None else None,
        before=read_cursor(query.after),
        limit=query.limit,
    )
    following = cursor_of(rows[-1].opened_at, rows[-1].hold_id) if rows else None
    return Holds(
        holds=[_hold(row) for row in rows],
        next=following if len(rows) == query.limit else None,
    )


async def show_hold(call: StaffCall) -> HoldPreview:
    """Show what would go out, made anew from what stands now; that somebody looked is recorded."""
    preview = await call.services.review_holds.show(call.path("id"), reader=call.caller.staff)
    return HoldPreview(
        hold=_hold(preview.row),
        outcome=preview.outcome,
        digest=preview.digest.hex(),
        round=preview.row.round,
        unified_number=preview.unified_number,
        payload=preview.payload,
    )


async def approve_hold(call: StaffCall, body: Approval) -> Decision:
    """Let exactly the bytes of this digest go, as far as the person proving the credential may.

    The approver is who proves password and one-time password in this very message.
    """
    person = await prove(call, body.credential)
    return _decision(
        await call.services.release.approve(
            call.path("id"), _decider(person), bytes.fromhex(body.digest)
        )
    )


async def refuse_hold(call: StaffCall, body: HoldRefusal) -> Decision:
    """Refuse to provide, on a ground of the closed list: providing is a duty (法22①)."""
    person = await prove(call, body.credential)
    return _decision(
        await call.services.release.refuse(
            call.path("id"), _decider(person), RefusalGround(body.ground)
        )
    )


_DECIDE: Final = Permission(StaffPermission.HOLDS_DECIDE)
_DECISION_PROBLEMS: Final = (
    "not-found",
    "hold-closed",
    "hold-changed",
    "same-approver",
    "flag-maker",
    "not-releasable",
    "stale-directory",
    "queue-full",
    "slot-stopped",
    "no-free-slot",
)

ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/holds",
        handler=list_holds,
        permission=Permission(StaffPermission.HOLDS_READ),
        summary="List held answers",
        response=Holds,
        query=HoldsQuery,
    ),
    Route(
        method="GET",
        path="/v1/holds/{id}",
        handler=show_hold,
        permission=Permission(StaffPermission.HOLDS_SHOW),
        summary="Show what would go out",
        response=HoldPreview,
        problems=("not-found", "hold-closed", "not-releasable", "stale-directory", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/holds/{id}/approvals",
        handler=approve_hold,
        permission=_DECIDE,
        summary="Approve what was shown",
        request=Approval,
        response=Decision,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=_DECISION_PROBLEMS,
    ),
    Route(
        method="POST",
        path="/v1/holds/{id}/refusal",
        handler=refuse_hold,
        permission=_DECIDE,
        summary="Refuse to provide",
        request=HoldRefusal,
        response=Decision,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=_DECISION_PROBLEMS,
    ),
)


def _decider(person: Staff) -> Decider:
    return Decider(staff_id=person.staff_id, credential_id=person.credential_id)


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=row.hold_id,
        permit_id=row.permit_id,
        state=row.state.value,
        inquirer=row.inquirer,
        procedure=row.procedure,
        information=row.information,
        reasons=list(row.reasons),
        approvals=row.approvals,
        approvals_needed=row.approvals_needed,
        opened_at=instant(row.opened_at),
        deadline=instant(row.deadline),
        request_expires=instant(row.request_expires),
    )


def _decision(made: release.Decision) -> Decision:
    return Decision(
        hold_id=made.hold_id,
        state=made.state.value,
        approvals=made.approvals,
        approvals_needed=made.approvals_needed,
    )
