"""`sekisho records reconcile`: against the core's records, or three exports against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from gateway.cli.bundles import opened_bundle, reading, trust_of
from gateway.cli.output import ExitCode, out, print_fields, print_json, print_rows
from gateway.cli.staff_options import Reach
from gateway.errors import ConfigurationError
from gateway.records.bundle import Files, read_manifest, read_slot
from gateway.records.entry import parse_entry
from gateway.records.reconcile import PARTIES, PartyRecords, reconcile
from gateway.records.verify import Report, verify_bundle

DIFFERENCE_COLUMNS: Final = ("permit_id", "organisation", "reason", "leaf")
PATH: Final = "/v1/reconciliations"
_COUNTS: Final = ("permits", "unfinished", "mended", "differing")


def reconcile_online(reach: Reach, *, begins: str, ends: str) -> int:
    """Ask the gateway on and on until the whole period is compared; print what differs."""
    counts = dict.fromkeys(_COUNTS, 0)
    lists: dict[str, list[Mapping[str, object]]] = {"repaired": [], "differences": []}
    reached = begins
    with reach.signed_in() as client:
        while True:
            found = client.post(PATH, {"begins": reached, "ends": ends})
            for name in _COUNTS:
                counts[name] += int(str(found[name]))
            for name, listed in lists.items():
                given = found.get(name)
                listed.extend(given if isinstance(given, list) else ())
            if found["ends"] in (ends, reached):
                break
            reached = str(found["ends"])
    is_agreed = counts["differing"] == 0
    if reach.json:
        print_json({"reconciled": is_agreed, "begins": begins, "ends": ends, **counts, **lists})
    else:
        print_fields({"begins": begins, "ends": ends, **counts})
        for name, listed in lists.items():
            if listed:
                out.print(f"{name}:")
                print_rows(listed, columns=DIFFERENCE_COLUMNS)
        out.print("agreed" if is_agreed else "NOT agreed")
    return ExitCode.DONE if is_agreed else ExitCode.FAILED


def reconcile_exports(
    exports: Sequence[Path], *, root: Path | None, config: Path | None, json: bool
) -> int:
    """Hold the exports of core, inquirer and provider against each other; all verified first."""
    if len(exports) != PARTIES:
        raise ConfigurationError(f"give {PARTIES} exports: the core's and two organisations'")
    parties, faults = [], []
    for path in exports:
        with opened_bundle(path) as files:
            trust = trust_of(files, root, config)
            report = reading(partial(verify_bundle, files, trust=trust))
            faults += [
                {"organisation": report.organisation, **asdict(fault)} for fault in report.faults
            ]
            parties.append(_party(files, report))
    found = reading(lambda: reconcile(parties))
    is_good = found.is_agreed and not faults
    differences = [asdict(difference) for difference in found.differences]
    shown = {
        "reconciled": is_good,
        "parties": [party.organisation for party in parties],
        "permits": found.permits,
        "refusals": found.refusals,
        "differences": differences,
        "faults": faults,
    }
    if json:
        print_json(shown)
    else:
        print_fields({name: shown[name] for name in ("parties", "permits", "refusals")})
        print_rows(differences, columns=DIFFERENCE_COLUMNS)
        out.print("agreed" if is_good else "NOT agreed")
    return ExitCode.DONE if is_good else ExitCode.FAILED


def _party(files: Files, report: Report) -> PartyRecords:
    """Return the entries of a bundle; those of a damaged slot are not there to be compared."""
    damaged = {fault.slot for fault in report.faults}
    entries = [
        parse_entry(raw)
        for slot in read_manifest(files).slots
        if slot not in damaged
        for raw in read_slot(files, slot).entries
    ]
    return PartyRecords(organisation=report.organisation, entries=entries)
