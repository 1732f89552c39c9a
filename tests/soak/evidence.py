"""What there is to judge by, gathered: the books kept of every log, and all that was seen of them.

The books stand outside every database. What was once read of a log stays in them, and so does
every checkpoint that a party stored of another, cosigned, or showed to us while things went wrong.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from gateway.bench.audit import AuditFailedError, _dsn, _fetch_note, _members_session, _signed
from gateway.demo import cast
from gateway.demo.processes import Running
from gateway.errors import UnavailableError
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.errors import RecordsError
from gateway.storage.database import Connection, Database
from tests.soak.ground import AUDIT_OFFICE, CITY, GATEWAYS, LOGGED, UNION, Ground
from tests.soak.judge import Asked, Evidence, Log, Row, Sighting

LOOK_S: Final = 0.5
BACK_S: Final = 60.0
AGAIN_S: Final = 0.05
_ASKERS: Final = {cast.CORE: CITY, UNION: cast.CORE, CITY: cast.CORE}
"""In whose name we ask a party for its checkpoints: whoever may see them all."""


@dataclass(slots=True, kw_only=True)
class Books:
    """Everything that was ever seen of the logs."""

    ground: Ground
    hashes: dict[str, dict[int, list[bytes]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    entries: dict[str, list[ParsedEntry]] = field(default_factory=lambda: defaultdict(list))
    sightings: set[Sighting] = field(default_factory=set)

    async def watch(self) -> None:
        """Ask everybody for a checkpoint now and then, whatever happens, until cancelled."""
        turn = 0
        async with self._sessions() as sessions:
            while True:
                for name, session in sessions.items():
                    slots = self.ground.directory.organisation(name).slots
                    with suppress(aiohttp.ClientError, AuditFailedError, TimeoutError, KeyError):
                        async with asyncio.timeout(LOOK_S):
                            await self._look(name, turn % slots, session)
                turn += 1
                await asyncio.sleep(LOOK_S)

    async def unsigned(self) -> list[str]:
        """Ask everybody for the checkpoint of every slot; return who has none that verifies."""
        found = []
        async with self._sessions() as sessions:
            for name, session in sessions.items():
                for slot in range(self.ground.directory.organisation(name).slots):
                    try:
                        await self._look(name, slot, session)
                    except (aiohttp.ClientError, AuditFailedError, RecordsError) as error:
                        found.append(f"{name}/{slot}: no checkpoint that verifies: {error}")
        return found

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
        async with AsyncExitStack() as stack:
            yield {
                name: await stack.enter_async_context(
                    _members_session(name, self.ground.party(asker), self.ground.directory)
                )
                for name, asker in _ASKERS.items()
            }

    async def _look(self, name: str, slot: int, session: aiohttp.ClientSession) -> None:
        """Take note of a checkpoint that a party shows, both of its log's lines verified."""
        directory = self.ground.directory
        note = await _fetch_note(session, self.ground.party(name), directory.network, slot)
        seen = _signed(note, name, directory, slot)
        self.sightings.add(
            Sighting(organisation=name, slot=slot, size=seen.size, root=seen.root, by="we")
        )

    async def read(
        self, asked: Sequence[Asked], *, refused: int, strange: Sequence[str]
    ) -> Evidence:
        """Read every database and return the evidence as it stands now.

        Raises:
            TimeoutError: a database is not there.
            RecordsError: an entry cannot be read, or is not its leaf hash.
        """
        unsigned = await self.unsigned()
        logs: dict[str, dict[int, Log]] = {}
        rows: dict[str, dict[str, Row]] = {}
        undelivered: dict[str, int] = {}
        holds: dict[str, str] = {}
        remembered = {
            name: {slot: tuple(found) for slot, found in self.hashes[name].items()}
            for name in LOGGED
        }
        for name in LOGGED:
            async with _snapshot(self.ground.party(name)) as connection:
                logs[name] = await self._log(name, connection)
                await self._sighted(name, connection)
                undelivered[name] = await connection.fetchval("SELECT count(*) FROM outbox")
                if name in GATEWAYS:
                    rows[name] = await _rows(connection)
                if name == CITY:
                    holds = await _holds(connection)
        async with _snapshot(self.ground.party(AUDIT_OFFICE)) as connection:
            await self._sighted(AUDIT_OFFICE, connection)
        return Evidence(
            asked=asked,
            logs=logs,
            entries=self.entries,
            rows=rows,
            sightings=tuple(self.sightings),
            unsigned=unsigned,
            remembered=remembered,
            holds=holds,
            undelivered=undelivered,
            refused=refused,
            strange=strange,
        )

    async def _log(self, name: str, connection: Connection) -> dict[int, Log]:
        """Read all leaf hashes anew, and the entries that were not there before."""
        hashes: dict[int, list[bytes]] = defaultdict(list)
        for row in await connection.fetch(
            "SELECT slot, leaf_hash FROM log_entries ORDER BY slot, index"
        ):
            hashes[row["slot"]].append(row["leaf_hash"])
        known = self.hashes[name]
        for row in await connection.fetch(
            "SELECT slot, index, leaf, leaf_hash FROM log_entries e"
            " WHERE index >= coalesce(($1::bigint[])[slot + 1], 0) ORDER BY slot, index",
            [len(known[slot]) for slot in range(max(hashes, default=-1) + 1)],
        ):
            entry = parse_entry(row["leaf"])
            if entry.leaf_hash != row["leaf_hash"]:
                raise AuditFailedError(f"{name}/{row['slot']}: entry {row['index']} was changed")
            self.entries[name].append(entry)
            known[row["slot"]].append(entry.leaf_hash)
        return {
            row["slot"]: Log(
                hashes=hashes[row["slot"]],
                size=row["size"],
                root=row["root"],
                is_frozen=row["is_frozen"],
            )
            for row in await connection.fetch("SELECT slot, size, root, is_frozen FROM log_slots")
        }

    async def _sighted(self, name: str, connection: Connection) -> None:
        """Take note of every checkpoint that a party has of others."""
        for table in ("peer_checkpoints", "witnessed"):
            for row in await connection.fetch(f"SELECT origin, size, root FROM {table}"):
                _, organisation, _, slot = row["origin"].split("/")
                self.sightings.add(
                    Sighting(
                        organisation=organisation,
                        slot=int(slot),
                        size=row["size"],
                        root=row["root"],
                        by=name,
                    )
                )


async def _rows(connection: Connection) -> dict[str, Row]:
    return {
        row["inquiry_id"]: Row(**row)
        for row in await connection.fetch(
            "SELECT inquiry_id, state, entry_id, permit_id FROM inquiries"
        )
    }


async def _holds(connection: Connection) -> dict[str, str]:
    found = await connection.fetch("SELECT permit_id, state FROM holds")
    return {row["permit_id"]: row["state"] for row in found}


@asynccontextmanager
async def opened(running: Running) -> AsyncIterator[Database]:
    """Hold a party's database open as its running role has it, as soon as it is back.

    Raises:
        TimeoutError: it does not come back.
    """
    async with asyncio.timeout(BACK_S):
        while True:
            with suppress(OSError, IndexError, UnavailableError):  # its server is just starting
                database = await Database.open(_dsn(running), connections_max=1)
                break
            await asyncio.sleep(AGAIN_S)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _snapshot(running: Running) -> AsyncIterator[Connection]:
    """Hold one consistent view of a party's database."""
    async with opened(running) as database, database.snapshot() as connection:
        yield connection


async def hurry(ground: Ground) -> None:
    """Let no lease and no pause of anybody last longer: a crash is then followed up at once."""
    for name in LOGGED:
        async with opened(ground.party(name)) as database, database.read() as connection:
            await connection.execute("UPDATE outbox SET next_attempt_at = now()")
            if name in GATEWAYS:
                await connection.execute(
                    "UPDATE inquiries SET lease_until = now() WHERE state = 'open'"
                    " OR (state = 'withdrawn' AND answer_leaf IS NULL)"
                )
