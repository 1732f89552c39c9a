"""`sekisho records operations`: what people and clients did, searched, opened, checked offline."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.bundles import FILE_BYTES_MAX, BundleError, opened_bundle, reading, trust_of
from gateway.cli.output import ExitCode, print_fields, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Json, Reach
from gateway.errors import InvalidRequestError
from gateway.records.bundle import Files, read_slot
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note
from gateway.records.operations import archive_origin, strange_rows, verify_archive
from gateway.records.trust import LogTrust

COLUMNS: Final = ("time", "kind", "party", "who", "done", "concerns", "id")
ARCHIVE_COLUMNS: Final = ("month", "rows", "digest", "archived_at")
CSV_FILE: Final = "operations.csv"
NOTE_FILE: Final = "operations.note"
_PRIVATE_MODE: Final = 0o600

Kinds = Annotated[tuple[str, ...], Parameter(name="--kind", negative="")]

app = App(name="operations", help="Operation records: three months searched, older ones archived.")


@app.command
def search(
    *,
    since: str | None = None,
    until: str | None = None,
    kind: Kinds = (),
    staff: str | None = None,
    client: str | None = None,
    after: str | None = None,
    limit: int = 50,
    reach: Reach = NEAR,
) -> int:
    """Search what was done in the last three months, newest first; that you did is recorded.

    Args:
        since: From this instant on, as 2026-07-01T00:00:00.000Z; older months by archive.
        until: Before this instant.
        kind: Only entries of this kind; may be repeated.
        staff: Only by this account (its id).
        client: Only by this back-office system.
        after: Where the page before ended.
        limit: At most so many.
        reach: Where the gateway is.
    """
    asked: dict[str, object | None] = {
        "since": since,
        "until": until,
        "kinds": list(kind) or None,
        "staff": staff,
        "client": client,
        "after": after,
        "limit": limit,
    }
    with reach.signed_in() as caller:
        body = {name: value for name, value in asked.items() if value is not None}
        page = caller.post("/v1/operation-records:search", body)
    if reach.json:
        print_json(page)
        return ExitCode.DONE
    _print(page, "records", COLUMNS)
    print_fields({"online_since": page.get("online_since")})
    _print(page, "archives", ARCHIVE_COLUMNS)
    return ExitCode.DONE


@app.command
def archives(*, reach: Reach = NEAR) -> int:
    """List the monthly archives.

    Args:
        reach: Where the gateway is.
    """
    with reach.signed_in() as caller:
        page = caller.get("/v1/operation-archives")
    if reach.json:
        print_json(page)
    else:
        _print(page, "archives", ARCHIVE_COLUMNS)
    return ExitCode.DONE


@app.command(name="open")
def open_(month: str, target: Path, *, reach: Reach = NEAR) -> int:
    """Open a monthly archive: its CSV and signature in a zip archive; that you did is recorded.

    The gateway checks it first: digest, signatures, every row against its log.

    Args:
        month: The month, as 2026-07.
        target: The file to write; nothing that is there is written over.
        reach: Where the gateway is.
    """
    if not (month.isascii() and month.replace("-", "").isdigit()):
        raise InvalidRequestError("a month is written as 2026-07")
    with reach.signed_in() as caller:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                length = caller.fetch(f"/v1/operation-archives/{month}/opening", None, file)
        except BaseException:
            target.unlink()
            raise
    print_one({"target": str(target), "bytes": length}, as_json=reach.json)
    return ExitCode.DONE


@app.command
def verify(
    archive: Path,
    *,
    bundle: Annotated[Path, Parameter(name="--with")],
    root: Path | None = None,
    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None,
    history: Path | None = None,
    json: Json = False,
) -> int:
    """Verify an opened archive offline: both signatures, and its rows against an export.

    Exits 1 if it was not signed so, or a row is not of the log that was exported. Rows outside of
    the export are counted and not judged; verify the export itself with `records verify`.

    Args:
        archive: What `records operations open` wrote.
        bundle: An export of the same organisation's records.
        root: The network's pinned root; else that of a gateway's keys.
        config: The settings of a gateway whose pinned root to use.
        history: A folder of directory documents kept by the auditor; else the bundle's own is used.
        json: Print one JSON document.
    """
    with opened_bundle(archive) as files:
        raw, note = _file(files, CSV_FILE), _file(files, NOTE_FILE).decode("utf-8", "replace")
    with opened_bundle(bundle) as files:
        trust = trust_of(files, root, config, history=history)
        leaves = _leaves(files, trust)
    report = _judged(raw, note, trust, leaves)
    print_one(report, as_json=json)
    return ExitCode.DONE if report["verified"] else ExitCode.FAILED


def _judged(
    raw: bytes, note: str, trust: LogTrust, leaves: Mapping[tuple[int, int], bytes]
) -> dict[str, object]:
    try:
        month = parse_note(note).checkpoint.origin.rpartition("/")[2]
        origin = archive_origin(trust.network, trust.organisation, month)
        rows = verify_archive(raw, note, origin=origin, keys=trust.log_keys)
    except RecordsError as error:
        return {"organisation": trust.organisation, "reason": error.reason, "verified": False}
    compared, strange = strange_rows(rows, lambda slot, index: leaves.get((slot, index)))
    return {
        "organisation": trust.organisation,
        "month": month,
        "rows": len(rows),
        "compared": compared,
        "strange": [row.entry_id for row in strange],
        "verified": not strange,
    }


def _leaves(files: Files, trust: LogTrust) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    for slot in range(trust.slots):
        if f"slots/{slot}.json" in files:
            export = reading(partial(read_slot, files, slot))
            found |= {(slot, index): leaf for index, leaf in enumerate(export.leaves, export.first)}
    return found


def _file(files: Files, name: str) -> bytes:
    raw = files.get(name)
    if raw is None or len(raw) > FILE_BYTES_MAX:
        raise BundleError(f"no {name}: not an archive of operation records")
    return raw


def _print(page: Mapping[str, object], name: str, columns: tuple[str, ...]) -> None:
    if isinstance(rows := page.get(name), list) and rows:
        print_rows(rows, columns=columns)
