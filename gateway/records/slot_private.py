"""The opened private parts of one exported slot: committed to, and receipts proved by their peers.

A receipt's private part holds the answer as its peer recorded it, the place, the audit path and
the hash of the peer's checkpoint (PROTOCOL §3, step 5); the checkpoint itself lies once in the
bundle. So an answer still stands years later without asking the peer.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, TypeAlias

from certs.errors import CertsError
from codes.canonical import unb64
from codes.errors import CodesError
from gateway.records.bundle import SlotExport
from gateway.records.entry import ParsedEntry, open_private, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.kinds import Public, Receipt
from gateway.records.note import claimed_time, log_origin, parse_note, verify_checkpoint
from gateway.records.statements import posix_instant
from gateway.records.tree import HASH_BYTES, verify_inclusion
from gateway.records.trust import LogTrust

MISMATCH: Final = "private-mismatch"
RECEIPT_MISMATCH: Final = "receipt-mismatch"
RECEIPT_UNPROVED: Final = "receipt-unproved"
PeerNotes: TypeAlias = Mapping[str, str]

_REPEATED: Final = ("inquiry_leaf", "permit_id", "outcome", "payload")


def peer_notes_by_hash(notes: Iterable[str]) -> PeerNotes:
    """Return checkpoints of peers by the hex SHA-256 of the note, as receipts name them."""
    return {sha256(note.encode("utf-8", "surrogatepass")).hexdigest(): note for note in notes}


def check_private(export: SlotExport, trust: LogTrust, peer_notes: PeerNotes) -> list[Fault]:
    """Return a fault for every opened private part that its entry or its peer does not bear out.

    Reasons: private-mismatch if the entry did not commit to it; receipt-mismatch if a receipt is
    about another exchange than its answer; receipt-unproved if the answer's peer never signed it.
    """
    faults = []
    for index in sorted(export.private):
        position = index - export.first
        if not 0 <= position < len(export.entries):
            faults.append(Fault(slot=export.slot, index=index, reason=MISMATCH))
            continue
        try:
            entry = parse_entry(export.entries[position]).public
            members = open_private(export.private[index], entry.private)
        except RecordsError as error:
            detail = error.detail or error.reason
            faults.append(Fault(slot=export.slot, index=index, reason=MISMATCH, detail=detail))
            continue
        if isinstance(entry, Receipt):
            try:
                _check_receipt(entry, members, trust, peer_notes)
            except RecordsError as error:
                faults.append(
                    Fault(slot=export.slot, index=index, reason=error.reason, detail=error.detail)
                )
    return faults


def _check_receipt(
    receipt: Receipt, members: Mapping[str, object], trust: LogTrust, peer_notes: PeerNotes
) -> None:
    """Refuse a receipt that says otherwise than its answer, or whose answer has no proof."""
    try:
        answer = parse_entry(unb64(str(members["answer"])))
        _require_same(receipt, answer)
        _require_included(receipt, answer, members, trust, peer_notes)
    except RecordsError as error:
        if error.reason == RECEIPT_MISMATCH:
            raise
        raise RecordsError(RECEIPT_UNPROVED, error.reason) from None
    except KeyError as error:
        raise RecordsError(RECEIPT_UNPROVED, f"no {error.args[0]}"[:80]) from None
    except (CertsError, CodesError) as error:
        raise RecordsError(RECEIPT_UNPROVED, error.reason) from None


def _require_same(receipt: Receipt, answer: ParsedEntry) -> None:
    public: Public = answer.public
    pairs: dict[str, object] = {name: getattr(public, name, None) for name in _REPEATED}
    # A refusal names the inquiry it refuses so.
    pairs["inquiry_leaf"] = pairs["inquiry_leaf"] or getattr(public, "of", None)
    pairs |= {"answer_leaf": answer.leaf_hash.hex(), "peer": public.organisation}
    for name, said in pairs.items():
        if said is not None and said != getattr(receipt, name):
            raise RecordsError(RECEIPT_MISMATCH, name)


def _require_included(
    receipt: Receipt,
    answer: ParsedEntry,
    members: Mapping[str, object],
    trust: LogTrust,
    peer_notes: PeerNotes,
) -> None:
    index, path = members["answer_index"], unb64(str(members["answer_path"]))
    if not isinstance(index, int):
        raise RecordsError("bad-index")
    note = parse_note(peer_notes[str(members["answer_checkpoint"])])
    keys = trust.peer_keys(receipt.peer, posix_instant(claimed_time(note)))
    origin = log_origin(trust.network, receipt.peer, answer.public.slot)
    checkpoint = verify_checkpoint(note, origin=origin, keys=keys).checkpoint
    verify_inclusion(
        size=checkpoint.size,
        index=index,
        leaf=answer.leaf_hash,
        path=[path[start : start + HASH_BYTES] for start in range(0, len(path), HASH_BYTES)],
        expected_root=checkpoint.root,
    )
