"""Staff zone: our records held against the core's, and against the rules, on demand."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from codes.canonical import instant, parse_instant
from codes.errors import CodesError
from gateway.domain.staff import StaffPermission
from gateway.errors import InvalidBodyError
from gateway.flows.reconcile_network import LISTED_MAX
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.services import StaffCall
from gateway.records.reconcile import Difference
from gateway.wire.staff_records import (
    ProvisionCheck,
    ProvisionCheckDay,
    Reconciliation,
    ReconciliationPeriod,
    RecordDifference,
    WrongDecision,
)

PERMITS_AT_ONCE: Final = 2000
"""Permits of one call: what somebody waits for takes seconds."""
_BYTES_MAX: Final = 4 * 1024


async def reconcile(call: StaffCall, body: ReconciliationPeriod) -> Reconciliation:
    """Hold a period's records against the core's, repair what can be, and record that.

    It stops after some thousand permits; `ends` says where.
    """
    try:
        begins, ends = parse_instant(body.begins), parse_instant(body.ends)
    except CodesError:
        raise InvalidBodyError("no such instant", pointer="/begins") from None
    found = await call.services.reconcile.run(
        begins, ends, by=call.caller.staff.staff_id, permits_max=PERMITS_AT_ONCE
    )
    return Reconciliation(
        begins=instant(found.begins),
        ends=instant(found.ends),
        agreed=found.is_agreed,
        permits=found.permits,
        unfinished=found.unfinished,
        mended=len(found.repaired),
        differing=len(found.differences),
        repaired=_shown(found.repaired),
        differences=_shown(found.differences),
    )


async def check_provisions(call: StaffCall, body: ProvisionCheckDay) -> ProvisionCheck:
    """Derive the decisions of a day again, name what cannot be right, and record that."""
    try:
        day = date.fromisoformat(body.day)
    except ValueError:
        raise InvalidBodyError("no such day", pointer="/day") from None
    found = await call.services.checker.run(day, by=call.caller.staff.staff_id)
    return ProvisionCheck(
        day=body.day,
        checked=found.checked,
        unchecked=found.unchecked,
        wrong=len(found.findings),
        findings=[
            WrongDecision(
                reason=one.reason,
                kind=one.kind,
                entry_id=one.entry_id,
                permit_id=one.permit_id,
                ground=one.ground,
            )
            for one in found.findings[:LISTED_MAX]
        ],
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/provision-checks",
        handler=check_provisions,
        permission=Permission(StaffPermission.RECORDS_RECONCILE),
        summary="Derive a day's decisions again",
        request=ProvisionCheckDay,
        response=ProvisionCheck,
        bytes_max=_BYTES_MAX,
        problems=("unavailable", "queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="POST",
        path="/v1/reconciliations",
        handler=reconcile,
        permission=Permission(StaffPermission.RECORDS_RECONCILE),
        summary="Hold records against the core's",
        request=ReconciliationPeriod,
        response=Reconciliation,
        bytes_max=_BYTES_MAX,
        problems=("unavailable", "queue-full", "slot-stopped", "no-free-slot"),
    ),
)


def _shown(differences: Sequence[Difference]) -> list[RecordDifference]:
    return [
        RecordDifference(
            organisation=one.organisation,
            reason=one.reason,
            permit_id=one.permit_id,
            leaf=one.leaf,
        )
        for one in differences[:LISTED_MAX]
    ]
