"""What its term ended is read nowhere: by trying, with an older backup and today's key store."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore, MasterKey
from codes.canonical import tokyo_day
from gateway.clock import SystemClock
from gateway.core.day_book import DayBook, PermitSecret
from gateway.errors import UnavailableError
from gateway.flows.open_inquiry import TABLE
from gateway.flows.receipts import RESULT
from gateway.flows.vault import Vault, key_month
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.retention import RetentionJob, plain_ends
from gateway.storage.core_inquiries import Permitted
from gateway.storage.database import Database
from tests.conftest import Dsns
from tests.integration.backups import Backups, execute
from tests.integration.record_log import NETWORK, ORGANISATION

NOW = datetime.now(UTC)
DAY = tokyo_day(NOW) - timedelta(days=81)
"""The core's inquiries of that day are kept no longer, nor its contacts."""
LONG_AGO = NOW - timedelta(days=200)
SECRET = PermitSecret(person=b"\1" * 32, salt=b"\2" * 32)
ANSWER = b"an answer about somebody"
INQUIRY = "1" * 32
_ADD = """
    SELECT partition_add($1, $1 || '_' || to_char($2::date, 'YYYYMMDD'),
                         format('%I >= %L AND %I < %L', $3::text, $2::date, $3::text, $2::date + 1),
                         format('FOR VALUES FROM (%L) TO (%L)', $2::date, $2::date + 1))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A database with its key store, and as both were before terms ended."""

    database: Database
    dsns: Dsns
    master: MasterKey
    today: Path
    before: Path

    def vault(self, folder: Path) -> Vault:
        return Vault(KeyStore.open(folder, self.master))

    async def end(self, *, of_core: bool) -> None:
        """See to every term, as the retention job does."""
        keys = EndedKeys(self.database, self.vault(self.today), SystemClock())
        ends = plain_ends(self.database, keys, of_core=of_core)
        job = RetentionJob(self.database, SystemClock(), ends)
        assert await job.run() is not None
        assert {one.problem for one in await job.plan()} == {None}


@pytest.fixture
def kept(database: Database, dsns: Dsns, tmp_path: Path) -> Kept:
    master = MasterKey.generate()
    KeyStore.create(tmp_path / "today", master, network=NETWORK, organisation=ORGANISATION)
    return Kept(
        database=database,
        dsns=dsns,
        master=master,
        today=tmp_path / "today",
        before=tmp_path / "before",
    )


async def a_permit_of_the_day(kept: Kept) -> None:
    """Write what the core keeps of one permit, 81 days ago."""
    book, leaf = DayBook(kept.vault(kept.today).days), bytes(32)
    for table, column in (("core_contacts", "day"), ("core_inquiries", "inquiry_day")):
        await execute(kept.dsns.owner, _ADD, table, DAY, column)
    await execute(
        kept.dsns.app,
        "INSERT INTO core_contacts (day, inquirer, contact, provider) VALUES ($1, 'a', $2, 'b')",
        DAY,
        book.contact(DAY, "a", SECRET.person),
    )
    await execute(
        kept.dsns.app,
        "INSERT INTO core_inquiries (inquiry_day, inquirer, leaf, entry_id, provider,"
        " requested_at, permit_id, sealed, subject_p, token_expires, request_expires)"
        " VALUES ($1, 'a', $2, gen_random_uuid(), 'b', now(), gen_random_uuid(), $3, $2, now(),"
        " now())",
        DAY,
        leaf,
        book.seal(SECRET, day=DAY, inquirer="a", leaf=leaf),
    )


async def permitted_in(dsn: str) -> list[Permitted]:
    """Return the permits of the day as a database has them."""
    database = await Database.open(dsn)
    async with database.read() as connection:
        rows = await connection.fetch("SELECT * FROM core_inquiries WHERE inquiry_day = $1", DAY)
    await database.close()
    return [
        Permitted(
            permit_id=row["permit_id"].hex,
            inquiry_day=row["inquiry_day"],
            inquirer=row["inquirer"],
            provider=row["provider"],
            inquiry_leaf=row["leaf"],
            entry_id=row["entry_id"].hex,
            requested_at=row["requested_at"],
            token_expires=row["token_expires"],
            request_expires=row["request_expires"],
            subject_p=row["subject_p"],
            sealed=row["sealed"],
        )
        for row in rows
    ]


async def contacts_in(dsn: str, day: date) -> list[bytes]:
    database = await Database.open(dsn)
    async with database.read() as connection:
        rows = await connection.fetch("SELECT contact FROM core_contacts WHERE day = $1", day)
    await database.close()
    return [row["contact"] for row in rows]


async def test_whom_a_dropped_day_was_about_reads_nobody_but_with_an_older_key_store(
    kept: Kept, backups: Backups, another: Dsns
) -> None:
    await a_permit_of_the_day(kept)
    backup = await backups.make(kept.dsns.owner)
    shutil.copytree(kept.today, kept.before)
    await kept.end(of_core=True)
    await backups.restore(backup, another.owner, kept.today)

    today, before = (DayBook(kept.vault(one).days) for one in (kept.today, kept.before))
    assert await permitted_in(kept.dsns.app) == []
    assert await contacts_in(kept.dsns.app, DAY) == []
    (permitted,), (contact,) = await permitted_in(another.app), await contacts_in(another.app, DAY)
    # Who holds the store of today opens nothing, and cannot try people one by one.
    refuses(lambda: today.open(permitted), UnavailableError)
    refuses(lambda: today.contact(DAY, "a", SECRET.person), KeyStoreError)
    assert before.open(permitted) == SECRET  # for 35 days, as long as such a copy is kept
    assert before.contact(DAY, "a", SECRET.person) == contact


async def test_a_result_whose_period_is_over_reads_nobody_but_with_an_older_key_store(
    kept: Kept, backups: Backups, another: Dsns
) -> None:
    month = key_month(LONG_AGO)
    vault = kept.vault(kept.today)
    await execute(
        kept.dsns.app,
        "INSERT INTO inquiries (inquiry_id, client_id, accepted_at, state, provider, summary,"
        " entry_id, key_year, details_box, lease_until, result_box, finished_at)"
        " VALUES ($1, 'c', $2, 'provided', 'p', '{}', $1, $3, $4, $2, $4, $2)",
        INQUIRY,
        LONG_AGO,
        month,
        vault.seal(TABLE, RESULT, month, INQUIRY, ANSWER),
    )
    backup = await backups.make(kept.dsns.owner)
    shutil.copytree(kept.today, kept.before)
    await kept.end(of_core=False)
    still_there = f"storage/{TABLE}/{month}" in vault.keys.key_ids()
    await execute(kept.dsns.app, "UPDATE inquiries SET acknowledged_at = $1", LONG_AGO)
    await kept.end(of_core=False)
    await backups.restore(backup, another.owner, kept.today)

    async def result_in(dsn: str) -> bytes | None:
        database = await Database.open(dsn)
        async with database.read() as connection:
            box: bytes | None = await connection.fetchval("SELECT result_box FROM inquiries")
        await database.close()
        return box

    assert still_there  # nothing ends under a row
    assert await result_in(kept.dsns.app) is None
    box = await result_in(another.app)
    assert box is not None
    opened = kept.vault(kept.before).open(TABLE, RESULT, month, INQUIRY, box)
    today = kept.vault(kept.today)
    refuses(lambda: today.open(TABLE, RESULT, month, INQUIRY, box), KeyStoreError)
    assert opened == ANSWER


def refuses(read: Callable[[], object], error: type[Exception]) -> None:
    """Hold a read to failing because the key is destroyed."""
    with pytest.raises(error) as refused:
        read()
    cause = refused.value.__cause__ or refused.value
    assert isinstance(cause, KeyStoreError)
    assert cause.reason == "key-destroyed"
