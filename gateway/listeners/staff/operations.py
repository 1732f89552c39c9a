"""Staff zone: operation records of the last three months searched, older months by archive."""

import re
from typing import Final

from aiohttp import web

from codes.canonical import instant
from gateway.domain.staff import StaffPermission
from gateway.errors import InvalidBodyError, NotFoundError
from gateway.flows.erase_months import month_text
from gateway.flows.record_archive import MEDIA_TYPE
from gateway.flows.review_operations import OperationSearch, archive_files, unknown_kinds
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.archives import send_archive
from gateway.listeners.staff.records import cursor_after, instant_in, position_after
from gateway.listeners.staff.services import LogStaffCall
from gateway.records.operations import OperationRow
from gateway.storage.operations import ArchiveRow
from gateway.storage.records import StoredEntry
from gateway.wire.staff_operations import (
    OperationArchive,
    OperationArchives,
    OperationRecord,
    OperationRecords,
    OperationsSearch,
)

_BYTES_MAX: Final = 8 * 1024
_MONTH: Final = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])", re.ASCII)
_RECORDS: Final = ("queue-full", "slot-stopped", "no-free-slot")


async def search_operations(call: LogStaffCall, body: OperationsSearch) -> OperationRecords:
    """Search what people, clients and the instance did in the last three months, newest first.

    The search is itself recorded. What is older lies in monthly archives, which are named.
    """
    if unknown_kinds(body.kinds):
        raise InvalidBodyError("operations: no such kind", pointer="/kinds")
    found = await call.services.operations.search(
        OperationSearch(
            since=instant_in(body.since, "/since"),
            until=instant_in(body.until, "/until"),
            kinds=tuple(body.kinds),
            staff=body.staff,
            client=body.client,
        ),
        reader=call.caller.staff,
        after=position_after(body.after),
        limit=body.limit,
    )
    records = found.records
    return OperationRecords(
        records=[_record(entry, row) for entry, row in records],
        online_since=instant(found.online_since),
        archives=[_archive(row) for row in found.archives],
        next=cursor_after(records[-1][0]) if len(records) == body.limit else None,
    )


async def list_operation_archives(call: LogStaffCall) -> OperationArchives:
    """List the monthly archives of operation records."""
    rows = await call.services.operations.archives()
    return OperationArchives(archives=[_archive(row) for row in rows])


async def open_operation_archive(call: LogStaffCall) -> web.StreamResponse:
    """Open a monthly archive: a zip archive with the CSV and the note that both log keys signed.

    It is checked first: digest, signatures, and every row against the log. That it was opened is
    recorded.
    """
    text = call.path("month")
    if not _MONTH.fullmatch(text):
        raise NotFoundError("archive: no such month")
    month = int(text.replace("-", ""))
    opened = await call.services.operations.open(month, reader=call.caller.staff)
    return await send_archive(call.request, archive_files(opened))


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/operation-records:search",
        handler=search_operations,
        permission=Permission(StaffPermission.OPERATIONS_READ),
        summary="Search operation records",
        request=OperationsSearch,
        response=OperationRecords,
        bytes_max=_BYTES_MAX,
        problems=("record-damaged", *_RECORDS),
    ),
    Route(
        method="GET",
        path="/v1/operation-archives",
        handler=list_operation_archives,
        permission=Permission(StaffPermission.OPERATIONS_READ),
        summary="List archives of operation records",
        response=OperationArchives,
    ),
    Route(
        method="POST",
        path="/v1/operation-archives/{month}/opening",
        handler=open_operation_archive,
        permission=Permission(StaffPermission.OPERATIONS_READ),
        summary="Open an archive of operation records",
        response=bytes,
        gives=MEDIA_TYPE,
        problems=("not-found", "archive-damaged", *_RECORDS),
    ),
)


def _record(entry: StoredEntry, row: OperationRow) -> OperationRecord:
    return OperationRecord(
        id=row.entry_id,
        time=row.time,
        kind=row.kind,
        party=row.party,
        who=row.who,
        done=row.done,
        concerns=row.concerns,
        slot=entry.slot,
        index=entry.index,
        leaf_hash=row.leaf_hash,
    )


def _archive(row: ArchiveRow) -> OperationArchive:
    return OperationArchive(
        month=month_text(row.month),
        rows=row.row_count,
        digest=row.digest,
        entry=row.entry_id,
        archived_at=instant(row.archived_at),
    )
