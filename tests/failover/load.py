"""Entries that come without end, and what became of each."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import UnavailableError
from gateway.flows.record import Recorded, RecordWriter
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash
from gateway.storage.database import Database
from gateway.storage.tiles import read_slots
from tests.conftest import FORGETFUL
from tests.integration.record_log import Mark, RecordLog, a_draft, recorded

_LOADERS: Final = 12
_AGAIN_S: Final = 0.05
_GOES_ON_S: Final = 120.0


@dataclass(slots=True)
class Load:
    """What was acknowledged and when, and how often somebody was told: not now."""

    writer: RecordWriter
    acknowledged: list[Recorded] = field(default_factory=list)
    refused: int = 0
    last_refusal: str | None = None
    _last_at: float = field(default_factory=time.monotonic)
    gap_s: float = 0.0
    """The longest time in which nothing was acknowledged."""

    async def more(self, count: int) -> None:
        """Return when so many more entries are acknowledged."""
        wanted, until = len(self.acknowledged) + count, time.monotonic() + _GOES_ON_S
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < until, f"refused {self.refused}, last: {self.last_refusal}"
            await asyncio.sleep(0.005)

    async def run(self, name: str) -> None:
        """Append until cancelled; what is refused is not tried again, the next one is."""
        while True:
            drafts = [a_draft(Mark(mark=os.urandom(8).hex())) for _ in range(3)]
            try:
                outcomes = await self.writer.append(drafts, source=name)
            except UnavailableError as error:
                self.refused += 1
                self.last_refusal = f"{type(error).__name__}: {error}"
                await asyncio.sleep(_AGAIN_S)
                continue
            now = time.monotonic()
            self.gap_s = max(self.gap_s, now - self._last_at)
            self._last_at = now
            self.acknowledged += [recorded(outcome) for outcome in outcomes]


@asynccontextmanager
async def loaded(writer: RecordWriter) -> AsyncIterator[Load]:
    """Keep a writer busy until the context ends."""
    load = Load(writer)
    tasks = [asyncio.create_task(load.run(str(number))) for number in range(_LOADERS)]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an audit of the whole log found."""

    acknowledged: int
    missing: int
    forks: int
    frozen: int


async def audit(log: RecordLog, dsn: str, acknowledged: list[Recorded]) -> Found:
    """Read the whole log anew and hold against it everything that was acknowledged."""
    database = await Database.open_when_there(dsn, demands=FORGETFUL, patience_s=_GOES_ON_S)
    try:
        fresh = RecordLog(
            database=database,
            signer=log.signer,
            keys=log.keys,
            clock=log.clock,
            marks=log.marks,
        )
        async with database.read() as connection:
            slots = list(await read_slots(connection))
            frozen = await connection.fetchval("SELECT count(*) FROM log_slots WHERE is_frozen")
        leaves = {slot: await fresh.leaves(slot) for slot in slots}
    finally:
        await database.close()
    hashes = {slot: [leaf_hash(leaf) for leaf in found] for slot, found in leaves.items()}
    notes = {entry.under.checkpoint: entry for entry in acknowledged if entry.under is not None}
    return Found(
        acknowledged=len(acknowledged),
        missing=sum(
            leaves[entry.slot][entry.index : entry.index + 1] != [entry.entry]
            for entry in acknowledged
        ),
        forks=sum(
            RightEdge().extend(hashes[entry.slot][: signed.size]).root != signed.root
            for entry in notes.values()
            for signed in [log.verify_note(entry).checkpoint]
        ),
        frozen=frozen,
    )
