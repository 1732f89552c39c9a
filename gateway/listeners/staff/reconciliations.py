"""Staff zone: our records held against the core's, on demand."""

from collections.abc import Sequence
from typing import Final

from codes.canonical import instant, parse_instant
from codes.errors import CodesError
from gateway.domain.staff import StaffPermission
from gateway.errors import InvalidBodyError
from gateway.flows.reconcile_network import LISTED_MAX
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.services import StaffCall
from gateway.records.reconcile import Difference
from gateway.wire.staff_records import Reconciliation, ReconciliationPeriod, RecordDifference

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


ROUTES: Final = (
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
