"""When enough witnesses had cosigned a slot: more than half of those named then (ADR 14).

Each may have signed other sizes, and some larger than asked about: whoever signed a tree signed
every beginning of it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from gateway.records.policy import enough
from gateway.records.slot_notes import SignedNote
from gateway.records.statements import posix_instant
from gateway.records.trust import NamedAt


class Quorum:
    """The cosignatures under the checkpoints of one tree, counted by witness."""

    __slots__ = ("_lines", "_named")

    def __init__(self, notes: Sequence[SignedNote], named: NamedAt) -> None:
        self._lines = [
            (second, name, note.checkpoint.size)
            for note in notes
            for name, second in note.cosigned_at.items()
        ]
        self._named = named

    def first(self, size: int) -> int | None:
        """Return the POSIX second from which on enough witnesses had signed so many entries."""
        return self._reached(sorted(line for line in self._lines if line[2] >= size))

    def last(self, size: int, *, until: int | None = None) -> int | None:
        """Return the latest second as of which enough witnesses vouch for so many entries.

        Each of them signed then or later; what was signed after `until` does not count.
        """
        lines = sorted(line for line in self._lines if line[2] >= size)
        return self._reached(line for line in reversed(lines) if until is None or line[0] <= until)

    def largest(self) -> tuple[int, int] | None:
        """Return the largest size that enough witnesses signed, and as of when."""
        sizes = sorted({size for _, _, size in self._lines})
        # Whoever signed a size signed the smaller ones, so those that enough signed come first.
        count = bisect_left(sizes, x=True, key=lambda size: self.first(size) is None)
        if not count:
            return None
        size = sizes[count - 1]
        second = self.last(size)
        assert second is not None, "the same lines, counted from their other end"
        return size, second

    def _reached(self, lines: Iterable[tuple[int, str, int]]) -> int | None:
        signers: set[str] = set()
        for second, name, _ in lines:
            signers.add(name)
            named = self._named(posix_instant(second))
            if named and len(signers & named) >= enough(len(named)):
                return second
        return None
