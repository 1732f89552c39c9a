"""`sekisho records`: search, show and export at a running gateway; verify and reconcile files."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.app.control import call_control
from gateway.cli.bundles import opened_bundle, reading, trust_of
from gateway.cli.operations import app as operations_app
from gateway.cli.output import (
    ExitCode,
    errors,
    out,
    print_fields,
    print_json,
    print_one,
    print_rows,
)
from gateway.cli.reconcile import reconcile_exports, reconcile_online
from gateway.cli.record_corrections import correct
from gateway.cli.record_disclosure import disclose
from gateway.cli.staff_options import NEAR, Json, Reach, path_id
from gateway.errors import ConfigurationError, UnavailableError
from gateway.records.bundle import Files, read_peer_notes, read_slot
from gateway.records.tile_files import tile_files
from gateway.records.trust import LogTrust
from gateway.records.verify import Report, verify_bundle
from gateway.settings import Settings

COLUMNS: Final = ("time", "kind", "id", "slot", "index")
CORRECTION_COLUMNS: Final = ("time", "organisation", "id", "corrects")
SLOT_COLUMNS: Final = ("slot", "first", "end", "cosigned_size", "cosigned_at", "complete")
FAULT_COLUMNS: Final = ("slot", "index", "reason", "detail")
WRONG_COLUMNS: Final = ("reason", "ground", "kind", "entry_id", "permit_id")
CORE: Final = "core"
EXPORT: Final = "records-export"
_PRIVATE_MODE: Final = 0o600

Kinds = Annotated[tuple[str, ...], Parameter(name="--kind", negative="")]
Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Flag = Annotated[bool, Parameter(negative="")]
Bundles = Annotated[tuple[Path, ...], Parameter(name="--with", negative="")]

Notes = Annotated[tuple[Path, ...], Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Known:
    """What an auditor knows without the bundle.

    Attributes:
        root: The network's pinned root; else that of a gateway's keys.
        config: The settings of a gateway whose pinned root to use.
        history: A folder of directory documents kept by the auditor; else the bundle's own is used.
        witness_key: NAME=KEY, the raw ML-DSA-44 key in base64url; may be repeated. If there is
            any, only these witnesses count, whoever the directory names.
    """

    root: Path | None = None
    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None
    history: Path | None = None
    witness_key: Annotated[tuple[str, ...], Parameter(negative="")] = ()

    def trust(self, files: Files) -> LogTrust:
        """Return whom to believe about a bundle's log."""
        return trust_of(
            files, self.root, self.config, history=self.history, witness_keys=self.witness_key
        )


NOTHING: Final = Known()

app = App(name="records", help="The record log: search, show, correct, export, verify, reconcile.")
app.command(operations_app)
app.command(correct)
app.command(disclose)


@app.command
def search(
    *,
    since: str | None = None,
    until: str | None = None,
    kind: Kinds = (),
    outcome: str | None = None,
    counterparty: str | None = None,
    procedure: str | None = None,
    information: str | None = None,
    permit_id: str | None = None,
    person: Flag = False,
    after: str | None = None,
    limit: int = 50,
    reach: Reach = NEAR,
) -> int:
    """Search the record log, newest first; that somebody searched for a person is recorded.

    Args:
        since: From this instant on, as 2026-07-01T00:00:00.000Z.
        until: Before this instant.
        kind: Only entries of this kind; may be repeated.
        outcome: Only with this outcome.
        counterparty: Only with this organisation.
        procedure: Only under this procedure.
        information: Only about this term.
        permit_id: Only about this permit.
        person: Ask for a person's unified number (after the credential), and search for it.
        after: Where the page before ended.
        limit: At most so many.
        reach: Where the gateway is.
    """
    body: dict[str, object | None] = {
        "since": since,
        "until": until,
        "kinds": list(kind) or None,
        "outcome": outcome,
        "counterparty": counterparty,
        "procedure": procedure,
        "information": information,
        "permit_id": permit_id,
        "after": after,
    }
    client = reach.client()
    with reach.answers() as answers:
        credential = answers.credential()
        if person:
            # Never an argument: those stand in histories and process lists.
            body |= answers.ask("unified_number")
    with client.signed_in(credential):
        asked = {name: value for name, value in body.items() if value is not None}
        page = client.post("/v1/records:search", {**asked, "limit": limit})
    if reach.json:
        print_json(page)
    elif isinstance(rows := page.get("records"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE


@app.command
def show(entry_id: str, *, proof: Path | None = None, reach: Reach = NEAR) -> int:
    """Show one entry with its corrections; that somebody opened a private part is recorded.

    Args:
        entry_id: The entry's id.
        proof: A file for the C2SP tlog-proof.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        shown = client.get(f"/v1/records/{path_id(entry_id)}")
    if proof is not None:
        proof.write_text(str(shown["proof"]), encoding="utf-8")
    if reach.json:
        print_json(shown)
        return ExitCode.DONE
    record, private = shown.get("record"), shown.get("private")
    print_fields(record if isinstance(record, dict) else {})
    print_fields({"private_state": shown.get("private_state")})
    print_fields(private if isinstance(private, dict) else {})
    if isinstance(corrections := shown.get("corrections"), list):
        print_rows(corrections, columns=CORRECTION_COLUMNS, title="corrected by")
    return ExitCode.DONE


@app.command
def export(
    target: Path, *, begins: str | None = None, ends: str | None = None, reach: Reach = NEAR
) -> int:
    """Export records as a bundle (a zip archive); that somebody took them is recorded.

    A core's is written over its control socket, whether it has people of its own or not.

    Args:
        target: The file to write; nothing that is there is written over.
        begins: From this instant on, as 2026-07-01T00:00:00.000Z; else from the beginning.
        ends: Before this instant; else up to now.
        reach: Where the gateway is.
    """
    period = {"begins": begins, "ends": ends}
    body = {name: value for name, value in period.items() if value is not None}
    settings = reach.settings() if reach.url is None else None
    if settings is not None and settings.role == CORE:
        return _tell(_export_core(settings, target, body), json=reach.json)
    with reach.signed_in() as client:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                length = client.fetch("/v1/records:export", body, file)
        except BaseException:
            target.unlink()  # half a bundle proves less than none
            raise
    return _tell({"target": str(target), "bytes": length}, json=reach.json)


@app.command
def verify(
    bundle: Path,
    *,
    known: Known = NOTHING,
    others: Bundles = (),
    peer_note: Notes = (),
    begins: str | None = None,
    ends: str | None = None,
    allow_unproved: Flag = False,
    json: Json = False,
) -> int:
    """Verify an exported bundle offline, with nothing but the pinned root.

    Exits 1 for any fault, and for records that nothing proves to be complete.

    Args:
        bundle: The export: a zip archive or a folder.
        known: What the auditor knows without the bundle.
        others: Other organisations' bundles: their receipts testify about this log.
        peer_note: A file with a checkpoint of this log that another party holds; may be repeated.
        begins: Ask about the period from this instant on, not the bundle's own.
        ends: Ask about the period before this instant, not the bundle's own.
        allow_unproved: Let it pass that nothing proves the records to be complete.
        json: Print one JSON document.
    """
    foreign = [path.read_text(encoding="utf-8") for path in peer_note]
    for other in others:
        with opened_bundle(other) as files:
            foreign += reading(lambda: read_peer_notes(files))
    with opened_bundle(bundle) as files:
        trust = known.trust(files)
        report = reading(
            lambda: verify_bundle(
                files, trust=trust, foreign_notes=foreign, begins=begins, ends=ends
            )
        )
    is_good = report.is_sound and (allow_unproved or report.complete == "proved")
    if json:
        print_json({**_shown(report), "verified": is_good})
    else:
        _print_report(report)
    return ExitCode.DONE if is_good else ExitCode.FAILED


@app.command
def tiles(bundle: Path, target: Path, *, slot: int = 0, json: Json = False) -> int:
    """Write one exported slot as tlog-tiles files, for readers that nobody here wrote.

    Nothing is verified: that is what the reader is for.

    Args:
        bundle: An export from the very beginning: a zip archive or a folder.
        target: The folder to write; what is there stays unless it has the same name.
        slot: Which slot.
        json: Print one JSON document.
    """
    with opened_bundle(bundle) as files:
        export = reading(lambda: read_slot(files, slot))
    count = 0
    for name, content in reading(lambda: list(tile_files(export))):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        count += 1
    return _tell({"target": str(target), "files": count}, json=json)


@app.command(name="reconcile")
def reconcile_command(
    exports: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    *,
    begins: str | None = None,
    ends: str | None = None,
    root: Path | None = None,
    reach: Reach = NEAR,
) -> int:
    """Hold our records against the core's over the network, or three exports against each other.

    Over the network (a security officer's right) what can be repaired is, and the run is recorded:
    outcomes that the core lacks are told again, lost answers taken in by their statements. The
    exports are verified first, and nothing is changed. Exits 1 if anything differs.

    Args:
        exports: Three bundles: the core's and two organisations'; none to ask the network.
        begins: Over the network: permits requested from here on, as 2026-07-01T00:00:00.000Z.
        ends: Over the network: and before this instant; 31 days later at most.
        root: For exports: the network's pinned root; else that of a gateway's keys.
        reach: Where the gateway is.
    """
    if exports:
        if begins is not None or ends is not None:
            raise ConfigurationError("exports have their own period")
        return reconcile_exports(exports, root=root, config=reach.config, json=reach.json)
    if begins is None or ends is None:
        raise ConfigurationError("give --begins and --ends, or three exports")
    return reconcile_online(reach, begins=begins, ends=ends)


@app.command
def check(*, day: str, reach: Reach = NEAR) -> int:
    """Derive a day's decisions again, as every night; exits 1 if any cannot have been right.

    Args:
        day: The day in Japan, as 2026-07-01.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        found = client.post("/v1/provision-checks", {"day": day})
    if reach.json:
        print_json(found)
    else:
        print_fields({name: found[name] for name in ("day", "checked", "unchecked", "wrong")})
        if isinstance(rows := found.get("findings"), list) and rows:
            print_rows(rows, columns=WRONG_COLUMNS)
    return ExitCode.DONE if found["wrong"] == 0 else ExitCode.FAILED


def _export_core(
    settings: Settings, target: Path, period: Mapping[str, str]
) -> Mapping[str, object]:
    arguments = {"target": str(target.absolute()), **period}
    reply = call_control(settings.control_socket, EXPORT, arguments)
    if reply.result is None:
        raise UnavailableError(f"core: {(reply.problem or {}).get('title')}")
    return {"target": str(target), **reply.result}


def _shown(report: Report) -> dict[str, object]:
    return {
        "organisation": report.organisation,
        "begins": report.begins,
        "ends": report.ends,
        "entries": report.entries,
        "complete": report.complete,
        "first_fault": asdict(report.faults[0]) if report.faults else None,
        "faults": [asdict(fault) for fault in report.faults],
        "slots": [
            {
                "slot": slot.slot,
                "first": slot.first,
                "end": slot.end,
                "cosigned_size": slot.cosigned_size,
                "cosigned_at": slot.cosigned_at,
                "complete": slot.complete,
                "lost": None if slot.lost is None else asdict(slot.lost),
            }
            for slot in report.slots
        ],
    }


def _print_report(report: Report) -> None:
    shown = _shown(report)
    print_fields({name: shown[name] for name in ("organisation", "begins", "ends", "entries")})
    print_rows([asdict(slot) for slot in report.slots], columns=SLOT_COLUMNS)
    for slot in report.slots:
        if slot.lost is not None:
            out.print(f"slot {slot.slot}: {slot.lost}", markup=False)
    out.print(f"complete: {report.complete}")
    if not report.faults:
        out.print("no fault found")
        return
    first = report.faults[0]
    where = f"slot {first.slot}" + ("" if first.index is None else f", entry {first.index}")
    errors.print(f"first bad: {where}: {first.reason}", markup=False)
    print_rows([asdict(fault) for fault in report.faults], columns=FAULT_COLUMNS)


def _tell(fields: Mapping[str, object], *, json: bool) -> int:
    print_one(fields, as_json=json)
    return ExitCode.DONE
