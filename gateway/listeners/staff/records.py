"""Staff zone: the record log searched, shown with its proofs, exported for auditors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from codes.canonical import b64, instant, parse_instant
from codes.errors import CodesError
from codes.numbers import UnifiedNumber
from gateway.domain.staff import StaffPermission
from gateway.errors import InvalidBodyError, InvalidQueryError
from gateway.flows.record_archive import MEDIA_TYPE
from gateway.flows.review_records import RecordSearch
from gateway.http.paging import cursor_of, read_place
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.archives import send_archive
from gateway.listeners.staff.services import StaffCall
from gateway.storage.records import Position, StoredEntry
from gateway.wire.staff_corrections import RecordCorrection
from gateway.wire.staff_records import Record, Records, RecordsExport, RecordShown, RecordsSearch

_BYTES_MAX: Final = 8 * 1024
_ID_CHARACTERS: Final = 32


async def search_records(call: StaffCall, body: RecordsSearch) -> Records:
    """Search the record log, newest first; a search for a person is itself recorded.

    Searching for a person takes `records:search-person` as well.
    """
    found = await call.services.records.search(
        _search(body), reader=call.caller.staff, after=position_after(body.after), limit=body.limit
    )
    corrected = await call.services.records.corrected_by([entry.entry_id for entry in found])
    return Records(
        records=[_record(entry, corrected.get(entry.entry_id, ())) for entry in found],
        next=cursor_after(found[-1]) if len(found) == body.limit else None,
        erased_through=await call.services.erase_months.erased_through(),
    )


async def show_record(call: StaffCall) -> RecordShown:
    """Show one entry with its proof of inclusion, its corrections, and its private part.

    The private part is shown to who may open it; no entry is shown without what corrects it.
    """
    shown = await call.services.records.show(entry_id_in(call.path("id")), reader=call.caller.staff)
    return RecordShown(
        record=_record(shown.opened.stored, shown.corrected_by),
        entry=b64(shown.opened.stored.leaf),
        proof=shown.proof,
        private_state=shown.state,
        private=dict(shown.private) if shown.private is not None else None,
        corrections=[
            RecordCorrection(
                id=one.entry_id,
                time=one.time,
                organisation=one.organisation,
                corrects=one.corrected_id,
            )
            for one in shown.corrections
        ],
    )


async def export_records(call: StaffCall, body: RecordsExport) -> web.StreamResponse:
    """Export a period as a bundle (a zip archive) that `sekisho records verify` reads offline.

    That it was taken is recorded first; a connection that ends early leaves a broken archive.
    """
    export = call.services.export
    period = await export.begin(
        begins=instant_in(body.begins, "/begins"),
        ends=instant_in(body.ends, "/ends"),
        by=call.caller.staff.staff_id,
    )
    return await send_archive(call.request, export.files(period))


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/records:search",
        handler=search_records,
        permission=Permission(StaffPermission.RECORDS_READ),
        summary="Search the record log",
        request=RecordsSearch,
        response=Records,
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="GET",
        path="/v1/records/{id}",
        handler=show_record,
        permission=Permission(StaffPermission.RECORDS_READ),
        summary="Show an entry with its proof",
        response=RecordShown,
        problems=("not-found", "record-damaged", "queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="POST",
        path="/v1/records:export",
        handler=export_records,
        permission=Permission(StaffPermission.RECORDS_EXPORT),
        summary="Export records as a bundle",
        request=RecordsExport,
        response=bytes,
        gives=MEDIA_TYPE,
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "slot-stopped", "no-free-slot"),
    ),
)


def _search(body: RecordsSearch) -> RecordSearch:
    person = body.unified_number
    return RecordSearch(
        since=instant_in(body.since, "/since"),
        until=instant_in(body.until, "/until"),
        kinds=tuple(body.kinds),
        outcome=body.outcome,
        counterparty=body.counterparty,
        procedure=body.procedure,
        information=body.information,
        permit_id=body.permit_id,
        person=UnifiedNumber.parse(person) if person is not None else None,
    )


def _record(stored: StoredEntry, corrected_by: Sequence[str]) -> Record:
    return Record(
        id=stored.entry_id,
        slot=stored.slot,
        index=stored.index,
        kind=stored.kind,
        time=instant(stored.time),
        leaf_hash=stored.leaf_hash.hex(),
        public=_public(stored.leaf),
        corrected_by=list(corrected_by),
    )


def _public(leaf: bytes) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(leaf, type=dict[str, object])
    except msgspec.DecodeError:
        return None  # changed in the database; the verifier says what is wrong with it


def entry_id_in(text: str) -> str:
    """Return the entry id that a path names, or raise `InvalidQueryError`."""
    if len(text) != _ID_CHARACTERS or not (text.isascii() and text.isalnum()):
        raise InvalidQueryError("records: not an id")
    return text


def cursor_after(last: StoredEntry) -> str:
    """Return the cursor of a page that ends with this entry."""
    place = last.position
    return cursor_of(place.time, f"{place.slot}.{place.index}")


def position_after(text: str | None) -> Position | None:
    """Return the place that a cursor names, or raise `InvalidQueryError`."""
    cursor = read_place(text)
    if cursor is None:
        return None
    time, place = cursor
    slot, _, index = place.partition(".")
    try:
        return Position(time=time, slot=int(slot), index=int(index))
    except ValueError:
        raise InvalidQueryError("after: not a cursor") from None


def instant_in(text: str | None, pointer: str) -> datetime | None:
    """Return an instant of a body, or raise `InvalidBodyError` with its place."""
    try:
        return parse_instant(text) if text is not None else None
    except CodesError:
        raise InvalidBodyError("no such instant", pointer=pointer) from None
