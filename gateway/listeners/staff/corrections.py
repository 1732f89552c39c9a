"""Staff zone: a record of ours corrected by a later entry, by who proves to be there."""

from http import HTTPStatus
from typing import Final

import msgspec

from gateway.domain.staff import StaffPermission
from gateway.flows.correct_records import NewCorrection
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.identity import prove
from gateway.listeners.staff.records import entry_id_in
from gateway.listeners.staff.services import StaffCall
from gateway.records.corrections import CorrectionGround
from gateway.wire.staff_corrections import CorrectedMembers, NewRecordCorrection, RecordCorrected

_BYTES_MAX: Final = 128 * 1024


async def correct_record(call: StaffCall, body: NewRecordCorrection) -> RecordCorrected:
    """Say by a later entry what a record should have said; core and other party are told.

    Who corrects is who proves password and one-time password in this very message.
    """
    person = await prove(call, body.credential)
    made = await call.services.corrections.correct(
        entry_id_in(call.path("id")),
        NewCorrection(members=_given(body.members), ground=CorrectionGround(body.ground)),
        by=person,
    )
    return RecordCorrected(
        id=made.entry_id, time=made.time, corrects=made.corrected_id, told=list(made.told)
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/records/{id}/corrections",
        handler=correct_record,
        permission=Permission(StaffPermission.RECORDS_CORRECT),
        summary="Correct a record by a later entry",
        request=NewRecordCorrection,
        response=RecordCorrected,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=(
            *("not-found", "refused", "conflict", "record-damaged"),
            *("peer-unavailable", "queue-full", "slot-stopped", "no-free-slot"),
        ),
    ),
)


def _given(members: CorrectedMembers) -> dict[str, object]:
    """Return the members that were given, as plain JSON: absent ones are left out."""
    return msgspec.json.decode(msgspec.json.encode(members), type=dict[str, object])
