"""What is left of a slot whose rows are not what was signed from it.

Nothing of such a slot is signed again, except what is shown to have been signed before: a size at
which a witness's stored cosignature verifies over the rows that are there. A witness signs only
what bears both signatures of its log.
"""

from collections.abc import Sequence

from certs.errors import CertsError
from gateway.flows.context import Context
from gateway.records.errors import RecordsError
from gateway.records.note import (
    Checkpoint,
    Note,
    SignatureLine,
    log_origin,
    verify_cosignature,
    witness_name,
)
from gateway.records.tree import EMPTY_ROOT, leaf_hash
from gateway.storage.cosigned import Cosignature, cosignatures_at, cosigned_sizes
from gateway.storage.records import export_slot
from gateway.storage.tiles import read_slots, root_at


class Leftovers:
    """What witnesses' cosignatures show of one organisation's frozen slots."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def tree(self, slot: int, *, most: int | None = None) -> Checkpoint:
        """Return the largest tree, of `most` entries at most, that is shown to have been signed.

        It is the empty one if none is.

        Whatever is shown of a tree is shown of every beginning of it, so half of the sizes are
        left aside at a time.
        """
        async with self._context.database.read() as connection:
            held = (await read_slots(connection, [slot]))[slot].size
            largest = held if most is None else min(held, most)
            sizes = [size for size in await cosigned_sizes(connection, slot) if size <= largest]
        found = Checkpoint(self._origin(slot), 0, EMPTY_ROOT)
        low, high = 0, len(sizes)
        while low < high:
            middle = (low + high) // 2
            shown = await self._shown(slot, sizes[middle])
            if shown is not None:
                found, low = shown, middle + 1
            else:
                high = middle
        return found

    async def first_bad(self, slot: int, first: int, end: int) -> int | None:
        """Return the first index in a range whose row is missing or is not what its hash says."""
        expected = first
        async with self._context.database.read() as connection:
            async for entry in export_slot(connection, slot, end, first=first):
                if entry.index != expected or leaf_hash(entry.leaf) != entry.leaf_hash:
                    return expected
                expected += 1
        return expected if expected < end else None

    def _origin(self, slot: int) -> str:
        trust = self._context.trust
        return log_origin(trust.network, trust.organisation, slot)

    async def _shown(self, slot: int, size: int) -> Checkpoint | None:
        """Return the tree of this size if a witness's signature verifies over it."""
        async with self._context.database.read() as connection:
            lines = await cosignatures_at(connection, slot, size)
            try:
                root = await root_at(connection, slot, size)
            except RecordsError:
                return None
        checkpoint = Checkpoint(self._origin(slot), size, root)
        return checkpoint if self._is_signed(checkpoint, lines) else None

    def _is_signed(self, checkpoint: Checkpoint, lines: Sequence[Cosignature]) -> bool:
        """Tell whether any witness signed this, by its key of that time."""
        trust = self._context.trust
        for one in lines:
            name = witness_name(trust.network, one.witness)
            note = Note(checkpoint, (SignatureLine(name, one.key_id, one.signature),))
            try:
                key = trust.directory.witness_key_at(one.witness, one.at)
                verify_cosignature(note, name=name, key=key)
            except (RecordsError, CertsError):
                continue
            return True
        return False
