"""Keys end after what lay under them: of days with their day, of periods with their last row."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore, MasterKey
from codes.canonical import tokyo_day
from gateway.clock import SystemClock
from gateway.domain.staff import Role
from gateway.errors import UnavailableError
from gateway.flows.vault import Vault
from gateway.jobs.ended_keys import GRACE, EndedKeys, end_of
from gateway.jobs.retention import RetentionJob, plain_ends
from gateway.jobs.terms_records import STORAGE_KEYS
from gateway.storage import days, key_periods
from gateway.storage.database import Connection, Database
from tests.conftest import Dsns
from tests.integration.backups import execute
from tests.integration.flows.erasure_scene import a_person
from tests.integration.record_log import SetClock

CONTACTS, INQUIRIES = "core_contacts", "core_inquiries"
WANTED = "code_wanted"
TODAY = tokyo_day(datetime.now(UTC))
KEPT = {CONTACTS: 8, INQUIRIES: 80}
ROW_ENDS = datetime(2021, 1, 1, tzinfo=UTC)
_ADD = """
    SELECT partition_add($1, $1 || '_' || to_char($2::date, 'YYYYMMDD'),
                         format('%I >= %L AND %I < %L', $3::text, $2::date, $3::text, $2::date + 1),
                         format('FOR VALUES FROM (%L) TO (%L)', $2::date, $2::date + 1))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A key store over a database, and the job that ends what is over."""

    database: Database
    vault: Vault
    master: MasterKey
    owner: str
    clock: SetClock

    @property
    def ended(self) -> EndedKeys:
        return EndedKeys(self.database, self.vault, self.clock)

    def worker(self) -> Vault:
        """Return the keys as another worker of the instance has them."""
        return Vault(KeyStore.open(self.vault.keys.directory, self.master))

    def left(self, kind: str) -> set[str]:
        return {one for one in self.vault.keys.key_ids() if one.startswith(kind)}

    async def turn(self) -> None:
        """See to the core's days as the retention job does."""
        await plain_ends(self.database, self.ended, of_core=True)["core-exchanges"]()

    async def add_day(self, table: str, day: date) -> None:
        column = "day" if table == CONTACTS else "inquiry_day"
        await execute(self.owner, _ADD, table, day, column)


@pytest.fixture
def keys(database: Database, dsns: Dsns, tmp_path: Path) -> Keys:
    master = MasterKey.generate()
    store = KeyStore.create(tmp_path / "keys", master, network="demo", organisation="core")
    return Keys(
        database=database,
        vault=Vault(store),
        master=master,
        owner=dsns.owner,
        clock=SetClock(datetime.now(UTC)),
    )


def ago(number: int) -> date:
    return TODAY - timedelta(days=number)


@pytest.mark.parametrize("table", [CONTACTS, INQUIRIES])
async def test_the_key_of_a_day_goes_with_its_partition(keys: Keys, table: str) -> None:
    kept = KEPT[table]
    in_term = [ago(kept), ago(0), ago(-2)]
    for day in (*in_term, ago(kept + 1), ago(kept + 30)):
        keys.vault.days.index(table, "x", day, b"")
    await keys.add_day(table, ago(kept + 1))
    # Of the day before that the partition is gone already, as if a turn had been cut off.

    await keys.turn()

    assert keys.left(f"day/{table}/") == {f"day/{table}/{day}" for day in in_term}
    async with keys.database.read() as connection:
        assert ago(kept + 1) not in (await days.kept(connection, table)).standing


async def test_a_key_is_destroyed_only_when_its_day_is_gone(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its key a day that is still there would be neither read nor gone."""
    over = ago(KEPT[CONTACTS] + 1)
    keys.vault.days.index(CONTACTS, "x", over, b"")
    await keys.add_day(CONTACTS, over)

    async def fail(_connection: Connection, _table: str) -> list[str]:
        raise UnavailableError("days: not now")

    with monkeypatch.context() as patch:
        patch.setattr(days, "turn", fail)
        with pytest.raises(UnavailableError):
            await keys.turn()
    await keys.ended.end_days(CONTACTS)
    before = keys.left("day/")
    await keys.turn()

    assert before == {f"day/{CONTACTS}/{over}"}
    assert keys.left("day/") == set()


async def test_a_turn_that_was_cut_off_between_day_and_key_is_finished_by_the_next(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = ago(KEPT[CONTACTS] + 1)
    keys.vault.days.index(CONTACTS, "x", over, b"")
    await keys.add_day(CONTACTS, over)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "destroy", cut_off)
        with pytest.raises(KilledError):
            await keys.turn()
    async with keys.database.read() as connection:
        standing = (await days.kept(connection, CONTACTS)).standing
    between = keys.left("day/")

    await keys.turn()

    assert over not in standing
    assert (between, keys.left("day/")) == ({f"day/{CONTACTS}/{over}"}, set())


async def test_every_worker_forgets_what_one_destroyed(keys: Keys) -> None:
    over, other = ago(KEPT[INQUIRIES] + 1), keys.worker()
    box = other.days.seal(INQUIRIES, "x", over, "row", b"somebody")
    kept = other.days.seal(INQUIRIES, "x", TODAY, "row", b"somebody")
    other.days.index(INQUIRIES, "x", over, b"somebody")
    old = other.seal(WANTED, "x", 2020, "row", b"somebody")

    await keys.turn()
    await keys.ended.end_periods()
    await other.forget_destroyed()

    with pytest.raises(KeyStoreError, match="key-destroyed"):
        other.days.open(INQUIRIES, "x", over, "row", box)
    with pytest.raises(KeyStoreError, match="key-destroyed"):
        other.days.index(INQUIRIES, "x", over, b"somebody")
    with pytest.raises(KeyStoreError, match="key-destroyed"):
        other.open(WANTED, "x", 2020, "row", old)
    assert other.days.open(INQUIRIES, "x", TODAY, "row", kept) == b"somebody"


async def want(keys: Keys, period: int, request_id: str = "0" * 32) -> None:
    """Keep a row that lies under the key of a period."""
    box = keys.vault.seal(WANTED, "person", period, request_id, b"four facts")
    async with keys.database.read() as connection:
        await connection.execute(
            "INSERT INTO code_wanted (request_id, inquirer, key_year, person_box, received_at)"
            " VALUES ($1, 'a', $2, $3, now())",
            request_id,
            period,
            box,
        )


async def forget_wanted(keys: Keys) -> None:
    async with keys.database.read() as connection:
        await connection.execute("DELETE FROM code_wanted")


@pytest.mark.parametrize("period", [2020, 202011])
async def test_a_storage_key_stays_while_a_row_needs_it_and_goes_after_it(
    keys: Keys, period: int
) -> None:
    await want(keys, period)
    await keys.ended.end_periods()
    needed = keys.left("storage/")

    await forget_wanted(keys)
    await keys.ended.end_periods()

    assert needed == {f"storage/{WANTED}/{period}"}
    assert keys.left("storage/") == set()
    with pytest.raises(KeyStoreError, match="key-destroyed"):
        keys.vault.seal(WANTED, "person", period, "row", b"")


@pytest.mark.parametrize("is_year", [True, False])
async def test_the_running_period_keeps_its_key_though_nothing_lies_under_it(
    keys: Keys, *, is_year: bool
) -> None:
    now = datetime.now(UTC)
    period = now.year if is_year else now.year * 100 + now.month
    keys.vault.seal(WANTED, "person", period, "row", b"")
    keys.clock.moment += timedelta(days=800)  # one clock that runs ahead is not believed

    await keys.ended.end_periods()

    assert keys.left("storage/") == {f"storage/{WANTED}/{period}"}


@pytest.mark.parametrize("period", [2020, 202012])
async def test_a_key_stays_some_days_after_its_period(keys: Keys, period: int) -> None:
    keys.vault.seal(WANTED, "person", period, "row", b"")

    keys.clock.moment = ROW_ENDS + GRACE - timedelta(seconds=1)
    await keys.ended.end_periods()
    within = keys.left("storage/")
    keys.clock.moment = ROW_ENDS + GRACE
    await keys.ended.end_periods()

    assert within == {f"storage/{WANTED}/{period}"}
    assert keys.left("storage/") == set()


async def test_a_row_that_outlived_what_it_had_sealed_needs_no_key(keys: Keys) -> None:
    person = await a_person(keys.database, Role.APPROVER)
    keys.vault.seal("staff_credentials", "totp", 2020, person.credential_id, b"")
    await execute(keys.owner, "UPDATE staff_credentials SET key_year = 2020")
    await keys.ended.end_periods()
    present = keys.left("storage/")
    await execute(
        keys.owner,
        "UPDATE staff_credentials SET retired_at = now(), password = NULL, totp_box = NULL",
    )

    await keys.ended.end_periods()

    assert present == {"storage/staff_credentials/2020"}
    assert keys.left("storage/") == set()


async def test_the_key_of_a_table_nobody_knows_stays(keys: Keys) -> None:
    keys.vault.seal("of_tomorrow", "x", 2020, "row", b"")

    await keys.ended.end_periods()

    assert keys.left("storage/") == {"storage/of_tomorrow/2020"}


async def test_every_table_with_boxes_is_asked(database: Database) -> None:
    async with database.read() as connection:
        rows = await connection.fetch(
            "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE a.attname = 'key_year' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
        needed = [await key_periods.is_needed(connection, one, 2020) for one in key_periods.TABLES]

    assert {row["relname"] for row in rows} == key_periods.TABLES
    assert not any(needed)


@pytest.mark.parametrize("of_core", [True, False])
async def test_both_roles_end_storage_keys_in_the_retention_job(
    keys: Keys, *, of_core: bool
) -> None:
    keys.vault.seal(WANTED, "person", 2020, "row", b"")
    job = RetentionJob(
        keys.database, SystemClock(), plain_ends(keys.database, keys.ended, of_core=of_core)
    )

    names = await job.run()

    assert names is not None
    assert STORAGE_KEYS in names
    assert keys.left("storage/") == set()


def test_a_period_ends_when_the_next_one_begins() -> None:
    assert [end_of(one) for one in (2026, 202611, 202612)] == [
        date(2027, 1, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
    ]


class KilledError(BaseException):
    """The process ended here."""


def cut_off(_vault: Vault, _key_id: str) -> None:
    raise KilledError
