"""What each of the two verifiers says about a bundle, in words that can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs.directory import Directory
from certs.errors import CertsError
from certs.own_keys import read_root
from gateway.records import standalone_verifier
from gateway.records.bundle import DIRECTORY, Files, read_manifest
from gateway.records.errors import RecordsError
from gateway.records.trust import LogTrust
from gateway.records.verify import verify_bundle

Finding = tuple[int | None, int | None, str]

_NOTES = frozenset({"bad-name", "bad-size", "bad-root", "bad-line", "note-too-large", "bad-note"})
"""The one-file verifier only says that a note is none."""


@dataclass(frozen=True)
class Verdict:
    """What is wrong (slot, first bad index, reason), and whether all is proved to be there."""

    faults: tuple[Finding, ...]
    complete: bool

    def agrees(self, other: "Verdict") -> bool:
        """Tell whether two verifiers judge alike.

        What is malformed each reads as far as it can; all else must be the same, but for what is
        said of an entry that is not the signed one.
        """
        if (not self.faults, self.complete) != (not other.faults, other.complete):
            return False
        both = (*self.faults, *other.faults)
        if any(reason in _MALFORMED for _, _, reason in both):
            return True
        changed = {(slot, index) for slot, index, reason in both if reason == "entry-changed"}
        return self._apart_from(changed) == other._apart_from(changed)

    def _apart_from(self, places: set[tuple[int | None, int | None]]) -> list[Finding]:
        return [fault for fault in self.faults if fault[:2] not in places]

    def names(self, *, slot: int | None, index: int | None, reason: str) -> bool:
        """Tell whether this is among what is said."""
        if reason == "unproved":
            return not self.faults and not self.complete
        return (slot, index, reason) in self.faults


_MALFORMED = frozenset({"bad-bundle", "bad-note", "other-log"})

UNREADABLE = Verdict(((None, None, "unreadable"),), complete=False)


def by_the_program(files: Files, root: Path, peer_notes: Sequence[str] = ()) -> Verdict:
    """Return what `sekisho records verify` says."""
    try:
        directory = Directory.parse_archived(files[DIRECTORY], root=read_root(root))
        name = read_manifest(files).organisation
        trust = LogTrust.of(directory, name)
        report = verify_bundle(files, trust=trust, foreign_notes=peer_notes)
    except (RecordsError, CertsError) as error:
        reason = "other-log" if error.reason == "unknown-organisation" else error.reason
        return Verdict(((None, None, reason),), complete=False)
    return _verdict(
        [(fault.slot, fault.index, fault.reason) for fault in report.faults], report.complete
    )


def report_of_one_file(files: Files, root: Path) -> Mapping[str, Any]:
    """Return all that the one-file verifier reports."""
    report: Mapping[str, Any] = standalone_verifier.verify(dict(files), root.read_bytes())
    return report


def by_one_file(files: Files, root: Path, peer_notes: Sequence[str] = ()) -> Verdict:
    """Return what the one-file verifier says."""
    try:
        report = standalone_verifier.verify(dict(files), root.read_bytes(), peer_notes=peer_notes)
    except standalone_verifier.WRONG as error:
        reason = standalone_verifier.reason_of(error, "bad-bundle")
        return _of_all(reason)
    return said_by_one_file(report)


def said_by_one_file(report: Mapping[str, Any]) -> Verdict:
    """Return the verdict that the one-file verifier prints with --json."""
    faults = [(fault["slot"], fault["index"], fault["reason"]) for fault in report["faults"]]
    if [fault[:2] for fault in faults] == [(None, None)]:
        return _of_all(faults[0][2])
    return _verdict(faults, report["complete"])


def _of_all(reason: str) -> Verdict:
    # What is signed outside the slots is the directory, and the program has its own word for that.
    reason = "signature-invalid" if reason == "bad-signature" else reason
    return Verdict(((None, None, reason),), complete=False)


def _verdict(faults: Sequence[Finding], complete: str) -> Verdict:
    named = {(slot, index, "bad-note" if why in _NOTES else why) for slot, index, why in faults}
    order = sorted(named, key=lambda one: (one[0] or 0, one[1] or 0, one[2]))
    return Verdict(tuple(order), complete == "proved")
