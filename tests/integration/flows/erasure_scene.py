"""A log with two months that are due to end, and the people who may agree to it, or not."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from certs.keystore import KeyStore, MasterKey
from certs.log_keys import LogSigner
from gateway.domain.staff import Role, Staff
from gateway.flows.erase_months import EraseMonths
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.record import Draft, Recorded, RecordWriter
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_types import SearchColumns
from gateway.storage import erasures
from gateway.storage.database import Database
from tests.integration.record_log import (
    NETWORK,
    ORGANISATION,
    RecordLog,
    SetClock,
    a_draft,
    add_effects,
    recorded,
)

OLD, NEXT = 201805, 201806
PERSON = b"\1" * 32
FIRST_DAY = datetime(2018, 5, 10, tzinfo=UTC)
ADD_MONTH = """
    SELECT partition_add('log_entries', 'log_entries_' || $1::integer, format('month = %s', $1),
                         format('FOR VALUES IN (%s)', $1))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A log with two old months and a new one, and two people."""

    log: RecordLog
    keys: KeyStore
    master: MasterKey
    owner: str
    old: list[Recorded]
    following: list[Recorded]
    people: list[Staff]

    def erasing(self, writer: RecordWriter, copies: KeyStoreCopies | None = None) -> EraseMonths:
        """Return what ends months; without `copies` of the key store there never were any."""
        data_dir = self.keys.directory.parent
        return EraseMonths(
            database=self.log.database,
            writer=writer,
            keys=self.keys,
            archives=data_dir / "archives",
            copies=copies or no_copies(data_dir, NETWORK, ORGANISATION),
            clock=self.log.clock,
        )

    async def execute(self, sql: str, *arguments: object) -> None:
        owner = await asyncpg.connect(self.owner)
        try:
            await owner.execute(sql, *arguments)
        finally:
            await owner.close()

    async def state(self) -> str:
        async with self.log.database.read() as connection:
            return next(row.state for row in await erasures.months(connection) if row.month == OLD)


def no_copies(data_dir: Path, network: str, organisation: str) -> KeyStoreCopies:
    """Return the register of an instance that never made a copy."""

    def nobody(_: datetime) -> LogSigner:
        raise AssertionError("nothing is registered here")

    return KeyStoreCopies(
        data_dir=data_dir,
        network=network,
        organisation=organisation,
        key_sets=list,
        signer_at=nobody,
    )


def some_drafts(count: int) -> list[Draft]:
    return [a_draft(search=SearchColumns(subject=PERSON)) for _ in range(count)]


async def a_person(database: Database, role: Role) -> Staff:
    staff_id, credential_id = secrets.token_hex(16), secrets.token_hex(16)
    async with database.read() as connection:
        await connection.execute(
            "INSERT INTO staff (staff_id, name, roles) VALUES ($1, $1, $2)", staff_id, [role.value]
        )
        await connection.execute(
            "INSERT INTO staff_credentials (credential_id, staff_id, password, totp_box, key_year)"
            " VALUES ($1, $2, 'x', 'x', 2026)",
            credential_id,
            staff_id,
        )
    return Staff(staff_id=staff_id, credential_id=credential_id, name="x", roles=frozenset({role}))


async def a_scene(database: Database, owner_dsn: str, log_signer: LogSigner, folder: Path) -> Scene:
    """Return a log of May 2018, June 2018 and now, and an officer, an auditor, an approver."""
    master = MasterKey.generate()
    keys = KeyStore.create(folder / "store", master, network=NETWORK, organisation=ORGANISATION)
    clock = SetClock(FIRST_DAY)
    log = RecordLog(
        database=database,
        signer=log_signer,
        keys=keys,
        clock=clock,
        marks=ReleasedMarks(folder / "released"),
    )
    await add_effects(owner_dsn)
    owner = await asyncpg.connect(owner_dsn)
    for month in (OLD, NEXT):
        await owner.execute(ADD_MONTH, month)
    await owner.close()
    await log.open()
    async with log.writer() as writer:
        old = [
            outcome
            for _ in range(2)
            for outcome in await writer.append(some_drafts(300), source="a")
        ]
        clock.moment = FIRST_DAY + timedelta(days=31)
        following = await writer.append(some_drafts(10), source="a")
        clock.moment = datetime.now(UTC)
        await writer.append(some_drafts(1), source="a")
    return Scene(
        log=log,
        keys=keys,
        master=master,
        owner=owner_dsn,
        old=[replace(recorded(one), under=None) for one in old],
        following=[replace(recorded(one), under=None) for one in following],
        people=[
            await a_person(database, role)
            for role in (Role.SECURITY_OFFICER, Role.AUDITOR, Role.APPROVER)
        ],
    )
