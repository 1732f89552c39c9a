"""What the tests of the record log share: an effect with a table of its own, drafts, a writer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

import asyncpg

from certs.log_keys import LogPublicKeys, LogSigner
from gateway.clock import SystemClock
from gateway.errors import SekishoError
from gateway.flows.record import (
    Draft,
    Outcome,
    Recorded,
    RecordWriter,
    SearchColumns,
    record_writer,
)
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_queue import FairQueue
from gateway.flows.record_start import open_streams
from gateway.flows.record_takeover import Elsewhere
from gateway.flows.slot_seals import LogKeys
from gateway.records.note import VerifiedCheckpoint, log_origin, verify_checkpoint
from gateway.records.statements import Statement, StatementGroup, verify_group
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash
from gateway.storage.database import Database
from gateway.storage.effects import Effect
from gateway.storage.records import export_slot
from gateway.storage.tiles import read_slots

NETWORK: Final = "test"
ORGANISATION: Final = "nagaoka"
KEY_SET: Final = "5" * 64
SLOTS: Final = 2

# `mark` takes each key once; `veto` refuses everything; `clash` breaks a constraint for 'bad'.
EFFECTS_SQL: Final = """
    CREATE TABLE marks (key text PRIMARY KEY, body bytea);
    CREATE TABLE clashes (key text CHECK (key <> 'bad'));
    GRANT SELECT, INSERT ON marks, clashes TO sekisho_app;
    CREATE FUNCTION effect_mark(rows jsonb) RETURNS SETOF integer LANGUAGE sql VOLATILE AS $$
        WITH wanted AS (
            SELECT r.e ->> 'mark' AS key, decode(r.e ->> 'body', 'base64') AS body,
                   (r.n - 1)::integer AS place
              FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (e, n)
        ), stored AS (
            INSERT INTO marks (key, body) SELECT key, body FROM wanted
            ON CONFLICT DO NOTHING RETURNING key
        )
        SELECT place FROM wanted JOIN stored USING (key)
    $$;
    CREATE FUNCTION effect_veto(rows jsonb) RETURNS SETOF integer LANGUAGE sql VOLATILE AS $$
        SELECT 0 WHERE false
    $$;
    CREATE FUNCTION effect_clash(rows jsonb) RETURNS SETOF integer LANGUAGE sql VOLATILE AS $$
        INSERT INTO clashes (key) SELECT e ->> 'mark' FROM jsonb_array_elements(rows) AS e;
        SELECT generate_series(0, jsonb_array_length(rows) - 1);
    $$;
"""
_HOLDS: Final = """
    SELECT true FROM pg_locks
     WHERE locktype = 'advisory' AND classid = 2 AND objid = $1 AND granted AND database =
           (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Effect):
    """Refused if the key was marked before."""

    KIND: ClassVar[str] = "mark"
    mark: str
    body: bytes = b""

    @property
    def key(self) -> str:
        return self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto(Effect):
    """Always refused, and after every mark."""

    KIND: ClassVar[str] = "veto"
    mark: str

    @property
    def key(self) -> str:
        return self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash(Effect):
    """A data error for the mark `bad`."""

    KIND: ClassVar[str] = "clash"
    mark: str

    @property
    def key(self) -> str:
        return self.mark


@dataclass(slots=True)
class SetClock:
    """A clock that shows what the test says, and moves on by itself a millisecond at a look."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def ahead_of(self, _: datetime) -> timedelta:
        """No real clock shows what a test sets: there is nothing to compare."""
        return timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLog:
    """One organisation's log and the keys to it."""

    database: Database
    signer: LogSigner
    keys: LogKeys
    clock: SystemClock | SetClock
    marks: ReleasedMarks
    elsewhere: Elsewhere | None = None

    async def open(self, slots: int = SLOTS) -> None:
        await open_streams(
            database=self.database,
            network=NETWORK,
            organisation=ORGANISATION,
            slots=slots,
            key_set_digest=KEY_SET,
            keys=self.keys,
            clock=self.clock,
        )

    @asynccontextmanager
    async def writer(
        self, *, queue: FairQueue | None = None, is_replicated: bool = False
    ) -> AsyncIterator[RecordWriter]:
        async with record_writer(
            database=self.database,
            organisation=ORGANISATION,
            signer=self.signer,
            keys=self.keys,
            clock=self.clock,
            marks=self.marks,
            queue=queue,
            elsewhere=self.elsewhere,
            is_replicated=is_replicated,
        ) as writer:
            yield writer
            slot = writer.slot
        if slot is not None:
            await self._let_go(slot)

    async def _let_go(self, slot: int) -> None:
        """Return when a writer that ended holds its slot no longer: its server ends after it."""
        with contextlib.suppress(SekishoError, TimeoutError):
            async with self.database.read() as watcher, asyncio.timeout(5):
                while await watcher.fetchval(_HOLDS, slot):
                    await asyncio.sleep(0.005)

    def public(self, _: datetime) -> LogPublicKeys:
        return self.signer.public

    def verify(self, group: StatementGroup) -> list[Statement]:
        return verify_group(group, organisation=ORGANISATION, network=NETWORK, log_keys=self.public)

    def verify_note(self, recorded: Recorded) -> VerifiedCheckpoint:
        assert recorded.under is not None
        return verify_checkpoint(
            recorded.under.checkpoint,
            origin=log_origin(NETWORK, ORGANISATION, recorded.slot),
            keys=self.signer.public,
        )

    async def leaves(self, slot: int) -> list[bytes]:
        """Return all entries of a slot after checking that they lead to its root."""
        async with self.database.snapshot() as connection:
            state = (await read_slots(connection, [slot]))[slot]
            entries = [entry async for entry in export_slot(connection, slot, state.size)]
        assert [entry.index for entry in entries] == list(range(state.size))
        assert [leaf_hash(entry.leaf) for entry in entries] == [e.leaf_hash for e in entries]
        assert RightEdge().extend([e.leaf_hash for e in entries]).root == state.root
        times = [entry.time for entry in entries]
        assert times == sorted(times)
        return [entry.leaf for entry in entries]


def a_draft(*effects: Effect, search: SearchColumns | None = None, **more: object) -> Draft:
    """Return a draft of a kind without members of its own."""
    return Draft(
        kind="records-read",
        members={},
        private={"note": "x"},
        search=search or SearchColumns(),
        effects=effects,
        **more,  # type: ignore[arg-type]  # the tests name the fields
    )


@asynccontextmanager
async def busy(log: RecordLog, writer: RecordWriter) -> AsyncIterator[None]:
    """Keep the writer inside a batch, waiting for a row, until the context ends."""
    async with log.database.transaction() as other:
        await other.execute("INSERT INTO marks (key) VALUES ('held')")
        waiting = asyncio.create_task(writer.append([a_draft(Mark(mark="held"))], source="busy"))
        await somebody_waits(log.database)
        yield
    await waiting


async def somebody_waits(database: Database, *, waiting: int = 1) -> None:
    """Return as soon as so many in this database wait for a lock."""
    async with database.read() as watcher, asyncio.timeout(20):
        while waiting > await watcher.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND (database IS NULL OR database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database()))"
        ):
            await asyncio.sleep(0.002)


async def until_sealed_as_signed(database: Database, slot: int) -> None:
    """Return when the slot's row tells that all of it is signed, as it does in a lull."""
    async with asyncio.timeout(20):
        while True:
            async with database.read() as connection:
                state = (await read_slots(connection, [slot]))[slot]
            if state.signed_size == state.size:
                return
            await asyncio.sleep(0.02)


def recorded(outcome: Outcome) -> Recorded:
    """Return the outcome as the recorded entry that the test expects."""
    if not isinstance(outcome, Recorded):
        raise outcome
    return outcome


async def add_effects(owner_dsn: str) -> None:
    """Make the tables and functions of the effects above."""
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute(EFFECTS_SQL)
    await connection.close()
