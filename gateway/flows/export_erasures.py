"""Why an export begins late: the entry that tells of the last erased month, with its proof.

It is opened, as nothing else in an export: it holds index ranges, roots and a month, and nothing
of anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from certs.errors import KeyStoreError
from certs.keystore import Box
from gateway.flows.context import Context
from gateway.flows.record_seal import private_ad
from gateway.records.grounds import GroundProof
from gateway.records.tiles import node_source, tiles_for
from gateway.records.tree import audit_path, audit_path_nodes
from gateway.storage import erasures
from gateway.storage.erasures import ErasedRange
from gateway.storage.records import StoredEntry, find_entries
from gateway.storage.tiles import read_tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldErasure:
    """The newest entry `erased`, and what it says of each slot."""

    stored: StoredEntry
    private: bytes = field(repr=False)
    ranges: Mapping[int, ErasedRange] = field(repr=False)


class ExportErasures:
    """What of one organisation's log is erased, as an auditor can check it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def minimums(self) -> Mapping[int, int]:
        """Return by slot the first index that is kept; slots that kept everything are left out."""
        async with self._context.database.read() as connection:
            return await erasures.minimums(connection)

    async def newest(self) -> ToldErasure | None:
        """Return the entry that tells of the last erased month, if any is and it can be opened."""
        async with self._context.database.read() as connection:
            told = await erasures.newest(connection)
            found = await find_entries(connection, [told[0]]) if told else []
        if told is None or not found:
            return None
        (stored,) = found
        keys = self._context.vault.keys
        try:
            box = Box(keys.month(stored.month_text, create=False))
            private = box.open(stored.private, private_ad(keys.organisation, stored.entry_id))
        except KeyStoreError:
            return None  # without ground an export begins late, and a verifier says so
        return ToldErasure(stored=stored, private=private, ranges=told[1])

    async def proof(self, told: ToldErasure, size: int) -> GroundProof:
        """Return the entry with its audit path in its slot's tree of this size."""
        stored = told.stored
        nodes = audit_path_nodes(size, stored.index)
        async with self._context.database.read() as connection:
            tiles = await read_tiles(connection, stored.slot, tiles_for(size, nodes))
        node = node_source(lambda level, number: tiles.get((level, number)))
        return GroundProof(
            slot=stored.slot,
            index=stored.index,
            entry=stored.leaf,
            private=told.private,
            path=tuple(audit_path(size, stored.index, node)),
        )
