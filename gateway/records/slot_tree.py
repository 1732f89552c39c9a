"""One exported slot against its signed checkpoints: is this the tree that was signed?"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.records.bundle import SlotExport
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.slot_notes import SignedNote
from gateway.records.tree import Frontier, leaf_hash, verify_consistency


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFindings:
    """Which notes are of the exported tree, and what is wrong with it."""

    agreeing: tuple[SignedNote, ...]
    foreign: tuple[SignedNote, ...]
    """Agreeing notes that other parties hold."""
    faults: tuple[Fault, ...]


class ExportedTree:
    """The tree that an export's entries make: its roots at the sizes that notes speak of."""

    __slots__ = ("_end", "_first", "_roots", "hashes")

    def __init__(self, export: SlotExport, sizes: Sequence[int]) -> None:
        self.hashes = [leaf_hash(entry) for entry in export.entries]
        self._first, self._end = export.first, export.end
        held = export.first + len(self.hashes)
        wanted = {size for size in (*sizes, export.end) if export.first < size <= held}
        frontier = Frontier(size=export.first, hashes=export.left)
        self._roots = {export.first: frontier.root()}
        for size in sorted(wanted):
            fresh = self.hashes[frontier.size - export.first : size - export.first]
            frontier = frontier.extend(fresh)
            self._roots[size] = frontier.root()

    def root(self, size: int) -> bytes | None:
        """Return the root at a size inside the range, if one was asked for."""
        return self._roots.get(size)

    def agrees(self, note: SignedNote) -> bool:
        """Tell whether a note is of this tree, by its size or by its proof."""
        size, root = note.checkpoint.size, note.checkpoint.root
        known = self._roots.get(size)
        if known is not None:
            return known == root
        try:
            if size < self._first:
                self._prove(size, self._first, root, self._roots[self._first], note.proof)
            elif size > self._end and self._end in self._roots:
                self._prove(self._end, size, self._roots[self._end], root, note.proof)
            else:
                return False
        except RecordsError:
            return False
        return True

    @staticmethod
    def _prove(
        old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
    ) -> None:
        verify_consistency(
            old_size=old, new_size=new, old_root=old_root, new_root=new_root, proof=proof
        )


def check_tree(
    export: SlotExport, notes: Sequence[SignedNote], foreign: Sequence[SignedNote]
) -> TreeFindings:
    """Return which notes are of this export's tree, and the first index at which it fails."""
    sizes = [note.checkpoint.size for note in (*notes, *foreign)]
    try:
        exported = ExportedTree(export, sizes)
    except RecordsError as error:
        fault = Fault(slot=export.slot, index=None, reason="bad-bundle", detail=error.reason)
        return TreeFindings(agreeing=(), foreign=(), faults=(fault,))
    agreeing = tuple(note for note in notes if exported.agrees(note))
    faults = _own_faults(export, exported, notes, agreeing)
    judged = _judged(exported, foreign, agreeing)
    if not any(fault.reason != "fork" for fault in faults):
        faults += [_fork(export, note, agreeing) for note, is_same in judged if not is_same]
    return TreeFindings(
        agreeing=agreeing,
        foreign=tuple(note for note, is_same in judged if is_same),
        faults=tuple(faults),
    )


def _own_faults(
    export: SlotExport,
    exported: ExportedTree,
    notes: Sequence[SignedNote],
    agreeing: Sequence[SignedNote],
) -> list[Fault]:
    """Return forks (a larger note agrees) and at most one fault of the content."""
    largest = max((note.checkpoint.size for note in agreeing), default=-1)
    against = [note for note in notes if note not in agreeing]
    faults = [_fork(export, note, agreeing) for note in against if note.checkpoint.size <= largest]
    proved = max(export.first, min(largest, export.end))
    if any(note.checkpoint.size > largest for note in against):
        faults.append(_locate(export, exported, proved))
    elif not notes:
        faults.append(Fault(slot=export.slot, index=export.first, reason="no-checkpoint"))
    elif exported.hashes != list(export.leaves):
        fault = _locate(export, exported, export.first)
        is_signed = fault.index is not None and fault.index < proved
        faults.append(
            Fault(slot=fault.slot, index=fault.index, reason="leaf-changed") if is_signed else fault
        )
    elif proved < export.end:
        faults.append(Fault(slot=export.slot, index=proved, reason="unsigned"))
    return faults


def _judged(
    exported: ExportedTree,
    foreign: Sequence[SignedNote],
    agreeing: Sequence[SignedNote],
) -> list[tuple[SignedNote, bool]]:
    """Return the foreign notes that can be compared, and whether they are of this tree."""
    roots = {note.checkpoint.size: note.checkpoint.root for note in agreeing}
    judged = []
    for note in foreign:
        size = note.checkpoint.size
        expected = exported.root(size) or roots.get(size)
        if expected is not None:
            judged.append((note, expected == note.checkpoint.root))
    return judged


def _fork(export: SlotExport, note: SignedNote, agreeing: Sequence[SignedNote]) -> Fault:
    """Return the fault of a note that the log signed over another tree than this one."""
    size = note.checkpoint.size
    below = (other.checkpoint.size for other in agreeing if other.checkpoint.size < size)
    detail = f"a signed checkpoint of size {size} has another root"
    return Fault(slot=export.slot, index=max(below, default=0), reason="fork", detail=detail)


def _locate(export: SlotExport, exported: ExportedTree, proved: int) -> Fault:
    """Return the first place from a proved size on where entries and leaves part."""
    hashes, leaves = exported.hashes, list(export.leaves)
    start = proved - export.first
    for position in range(start, max(len(hashes), len(leaves))):
        reason = _reason(hashes, leaves, position)
        if reason:
            return Fault(slot=export.slot, index=export.first + position, reason=reason)
    detail = "entries and leaf hashes agree, the signed root does not"
    return Fault(slot=export.slot, index=proved, reason="rewritten", detail=detail)


def _reason(hashes: Sequence[bytes], leaves: Sequence[bytes], position: int) -> str:
    """Return what is wrong at a place, nothing if entry and leaf are the same."""
    if position >= len(hashes):
        return "truncated"
    if position >= len(leaves):
        return "entry-inserted"
    here = hashes[position]
    if here == leaves[position]:
        return ""
    if hashes[position + 1 : position + 2] == [leaves[position]]:
        swapped = leaves[position + 1 : position + 2] == [here]
        return "entries-reordered" if swapped else "entry-inserted"
    if leaves[position + 1 : position + 2] == [here]:
        return "entry-missing"
    return "entries-reordered" if here in leaves else "entry-changed"
