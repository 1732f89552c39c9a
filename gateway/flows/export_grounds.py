"""Entries that an export opens: why a slot begins late, or why it ends (docs/reference/bundle.md).

They are the only private parts in an export: they hold index ranges, roots, months and names of
organisations, and nothing of anybody.
"""

from collections.abc import Mapping, Sequence
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
from gateway.storage.losses import told_losses
from gateway.storage.records import StoredEntry, find_entries
from gateway.storage.tiles import read_tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """An entry with its private part opened."""

    stored: StoredEntry
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldErasure(Ground):
    """The newest entry `erased`, and what it says of each slot."""

    ranges: Mapping[int, ErasedRange] = field(repr=False)


class ExportGrounds:
    """What of one organisation's log is erased or lost, as an auditor can check it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def minimums(self) -> Mapping[int, int]:
        """Return by slot the first index that is kept; slots that kept everything are left out."""
        async with self._context.database.read() as connection:
            return await erasures.minimums(connection)

    async def newest_erasure(self) -> ToldErasure | None:
        """Return the entry that tells of the last erased month, if any is and it can be opened."""
        async with self._context.database.read() as connection:
            told = await erasures.newest(connection)
        if told is None:
            return None
        entry_id, ranges = told
        for ground in await self._opened([entry_id]):
            return ToldErasure(stored=ground.stored, private=ground.private, ranges=ranges)
        return None

    async def losses(self) -> Sequence[Ground]:
        """Return the entries `log-loss` that are still in the log and can be opened."""
        async with self._context.database.read() as connection:
            told = await told_losses(connection)
        return await self._opened([loss.entry_id for loss in told])

    async def proof(self, ground: Ground, size: int) -> GroundProof:
        """Return the entry with its audit path in its slot's tree of this size."""
        stored = ground.stored
        nodes = audit_path_nodes(size, stored.index)
        async with self._context.database.read() as connection:
            tiles = await read_tiles(connection, stored.slot, tiles_for(size, nodes))
        node = node_source(lambda level, number: tiles.get((level, number)))
        return GroundProof(
            slot=stored.slot,
            index=stored.index,
            entry=stored.leaf,
            private=ground.private,
            path=tuple(audit_path(size, stored.index, node)),
        )

    async def _opened(self, entry_ids: Sequence[str]) -> list[Ground]:
        """Return these entries opened; without a key there is no ground, and a verifier says so."""
        async with self._context.database.read() as connection:
            found = await find_entries(connection, entry_ids)
        keys = self._context.vault.keys
        opened = []
        for stored in found:
            try:
                box = Box(keys.month(stored.month_text, create=False))
                private = box.open(stored.private, private_ad(keys.organisation, stored.entry_id))
            except KeyStoreError:
                continue
            opened.append(Ground(stored=stored, private=private))
        return opened
