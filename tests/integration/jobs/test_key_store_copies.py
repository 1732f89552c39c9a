"""The term of key-store copies: what the job ends, what the plan says, what operators are told."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.keystore import KeyStore, MasterKey
from certs.network import init_network, keys_directory
from certs.own_keys import PrivateKeySet
from gateway import metrics
from gateway.demo import cast
from gateway.flows.backup_lock import alone
from gateway.flows.key_store_copies import REGISTER
from gateway.flows.vault import Vault
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.key_store_copies import TERM, KeyStoreCopiesJob
from gateway.jobs.retention import Planned, RetentionJob, plain_ends
from gateway.storage.database import Database
from tests.integration.backups import Backups
from tests.integration.core.world import WorldClock
from tests.integration.record_log import NETWORK, ORGANISATION, SetClock

NOW = datetime.now(UTC).replace(microsecond=0)
LIFE = timedelta(days=35)


@pytest.fixture(scope="module")
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> PrivateKeySet:
    folder = tmp_path_factory.mktemp("copies") / "network"
    names = [cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS]
    ports = {name: 1024 + place for place, name in enumerate(names)}
    init_network(
        cast.network_spec(ports, environment="test"),
        folder,
        allow_list=cast.allow_list().to_document(),
        now=WorldClock().now(),
    )
    return PrivateKeySet.load(keys_directory(folder, cast.NAGAOKA))


class Instance:
    """The retention job of an instance over a clock of the test's, and one copy of its keys."""

    def __init__(self, database: Database, keys: PrivateKeySet, folder: Path) -> None:
        self.place = folder / "third-place"
        self.data_dir = folder / "data"
        self.clock = SetClock(NOW)
        store = KeyStore.create(
            self.data_dir / "keys",
            MasterKey.generate(),
            network=NETWORK,
            organisation=ORGANISATION,
        )
        backups = Backups.under(
            folder,
            network=NETWORK,
            organisation=ORGANISATION,
            key_set=keys.key_set,
            signer=keys.log,
        )
        self.copy = backups.copy_keys(store, self.place, now=NOW)
        of_copies = KeyStoreCopiesJob(self.clock, backups.copies(self.data_dir))
        ended = EndedKeys(database, Vault(store), self.clock)
        self.job = RetentionJob(
            database,
            self.clock,
            plain_ends(database, ended, of_core=False) | {TERM: of_copies.turn},
            dues={TERM: of_copies.due},
        )

    async def run(self) -> Planned:
        assert TERM in (await self.job.run() or [])
        return await self.plan()

    async def plan(self) -> Planned:
        return next(one for one in await self.job.plan() if one.term.name == TERM)


@pytest.fixture
def instance(database: Database, own_keys: PrivateKeySet, tmp_path: Path) -> Instance:
    metrics.KEY_STORE_COPIES_OVERDUE.set(-1)
    return Instance(database, own_keys, tmp_path)


def overdue() -> float:
    (gauge,) = metrics.KEY_STORE_COPIES_OVERDUE.collect()
    return float(gauge.samples[0].value)


async def test_the_job_ends_what_is_overdue_and_the_plan_says_when(instance: Instance) -> None:
    before = await instance.run()
    instance.clock.moment = NOW + LIFE
    due = await instance.plan()
    is_there = instance.copy.exists()
    after = await instance.run()

    assert (before.rows_due, before.next_due, before.problem) == (0, NOW + LIFE, None)
    assert (due.rows_due, is_there) == (1, True)  # a plan ends nothing
    assert (after.rows_due, after.next_due, after.problem) == (0, None, None)
    assert not instance.copy.exists()
    assert overdue() == 0


async def test_a_copy_out_of_reach_is_a_problem_and_counted(instance: Instance) -> None:
    instance.place.rename(instance.place.with_name("unmounted"))
    instance.clock.moment = NOW + LIFE

    after = await instance.run()

    assert (after.rows_due, after.problem) == (1, "unavailable")
    assert overdue() == 1


async def test_while_a_backup_is_made_nothing_is_cleared_away(instance: Instance) -> None:
    draft = instance.copy.rename(instance.place / f".{instance.copy.name}.new")
    with alone(instance.data_dir):
        busy = await instance.run()
        is_there = draft.exists()
    await instance.run()

    assert (busy.problem, is_there) == (None, True)
    assert not draft.exists()


async def test_a_register_that_nobody_believes_is_a_problem_and_the_plan_stands(
    instance: Instance,
) -> None:
    (instance.data_dir / REGISTER).write_bytes(b"{}")

    after = await instance.run()

    assert (after.rows_due, after.problem) == (0, "unavailable")
    assert overdue() == -1


async def test_a_place_that_answers_nothing_keeps_no_other_term_back(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.jobs.key_store_copies.PLACES_S", 0.05)
    monkeypatch.setattr(KeyStoreCopiesJob, "_sweep", lambda _: time.sleep(1))

    after = await instance.run()

    assert after.problem == "unavailable"
    assert len(await instance.job.plan()) > 1


async def test_a_place_that_was_emptied_by_hand_is_no_problem(instance: Instance) -> None:
    shutil.rmtree(instance.copy)
    instance.clock.moment = NOW + LIFE

    assert (await instance.run()).problem is None
