"""The nightly check derives the day's decisions again, reads only, and names what cannot be right.

What stood at a decision is changed behind the gateway's back, as somebody with every right on its
database could; that is undone at the end of each test.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import LiteralString

import asyncpg
import pytest

from codes.canonical import TOKYO, tokyo_day
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.domain.staff import Role, Staff
from gateway.flows import check_provisions, derive
from gateway.flows.check_provisions import Checked
from gateway.flows.record_types import new_id
from gateway.flows.switch_measures import NewSwitch, SwitchMeasures
from gateway.jobs.provision_check import JOB, ProvisionCheckJob
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.scene import Scene, later, outbox_job, parties_at_rest, told
from tests.e2e.test_exchange import an_order
from tests.integration.core.world import WorldClock

NAGAOKA, UNION = cast.NAGAOKA, cast.GUNMA_UNION
OFFICER = Staff(
    staff_id="1" * 32,
    credential_id="2" * 32,
    name="officer",
    roles=frozenset({Role.SECURITY_OFFICER}),
)


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    """Parties of this module alone: another allow list a moment ago might have been the ground."""
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture
async def owner(scene: Scene, postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """Somebody with every right on the provider's database."""
    dsn = scene.network.parties[NAGAOKA].worker.dsn
    connection = await asyncpg.connect(
        postgres.dsn(SUPERUSER, dsn.split("?")[0].rpartition("/")[2])
    )
    yield connection
    await connection.close()


async def checked(scene: Scene, name: str = NAGAOKA) -> Checked:
    gateway = scene.network.gateway(name)
    return await gateway.flows.checker.run(tokyo_day(scene.clock.now()))


def about(found: Checked, permit_id: str | None) -> list[tuple[str, str | None]]:
    return [(one.reason, one.ground) for one in found.findings if one.permit_id == permit_id]


async def exchanged(scene: Scene, state: InquiryState = InquiryState.PROVIDED) -> str:
    view = await scene.answered(await scene.asked())
    assert view.row.state is state
    assert view.row.permit_id is not None
    return view.row.permit_id


@asynccontextmanager
async def with_row(
    owner: "asyncpg.Connection[asyncpg.Record]",
    insert: LiteralString,
    delete: LiteralString,
    row_id: str,
    *arguments: object,
) -> AsyncIterator[None]:
    await owner.execute(insert, row_id, *arguments)
    try:
        yield
    finally:
        await owner.execute(delete, row_id)


async def test_a_day_without_fault_is_derived_again_and_recorded(scene: Scene) -> None:
    permit_id = await exchanged(scene)
    _, held = await scene.held()
    await scene.released(held)
    await told(outbox_job(scene.city), "delivery")
    entries = await scene.total(NAGAOKA, check_provisions.KIND)

    city, union = await checked(scene), await checked(scene, UNION)

    assert about(city, permit_id) == about(city, held.permit_id) == []
    assert city.checked >= 3
    assert union.checked >= 2
    assert await scene.total(NAGAOKA, check_provisions.KIND) == entries + 1


_SWITCH: LiteralString = (
    "INSERT INTO stop_switches (switch_id, by, reason, maker, set_at)"
    " VALUES ($1, 'all', 'tests', 'x', now() - interval '1 hour')"
)
_NO_SWITCH: LiteralString = "DELETE FROM stop_switches WHERE switch_id = $1"
_NO_SWITCHES: LiteralString = "DELETE FROM stop_switches"
"""Also those that other tests lifted a moment ago: they might have been the ground."""
_FLAG: LiteralString = (
    "INSERT INTO subject_flags (flag_id, subject, kind, reason, maker, maker_kind, set_at)"
    " VALUES ($1, $2, 'automatic-answer-disabled', 'tests', 'x', 'staff',"
    " now() - interval '1 hour')"
)
_NO_FLAG: LiteralString = "DELETE FROM subject_flags WHERE flag_id = $1"


async def test_what_was_given_though_a_switch_stood_is_named(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    permit_id = await exchanged(scene)

    async with with_row(owner, _SWITCH, _NO_SWITCH, new_id()):
        found = await checked(scene)

    assert about(found, permit_id) == [(derive.FORBIDDEN, "stopped")]


async def test_what_was_given_though_a_flag_stood_is_named(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    number = await scene.person()
    view = await scene.answered(await scene.asked(order=an_order(number)))
    subject = scene.city.context.vault.subject(number)

    async with with_row(owner, _FLAG, _NO_FLAG, new_id(), subject):
        found = await checked(scene)

    ((reason, ground),) = about(found, view.row.permit_id)
    assert reason == check_provisions.HELD
    assert ground is not None


async def test_a_flag_set_just_then_accuses_nobody(scene: Scene) -> None:
    number = await scene.person()
    view = await scene.answered(await scene.asked(order=an_order(number)))
    await scene.flag(number)

    assert about(await checked(scene), view.row.permit_id) == []


async def test_what_was_withheld_without_a_ground_is_named(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    _, held = await scene.held()
    rows = await owner.fetch(
        "DELETE FROM subject_flags WHERE subject = $1 RETURNING *", held.subject
    )
    assert rows

    found = await checked(scene)

    assert about(found, held.permit_id) == [(check_provisions.WITHOUT_GROUND, None)]


async def test_what_was_denied_without_a_ground_is_named(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    measures = SwitchMeasures(scene.city.context)
    switch_id = await measures.set(NewSwitch(by="all", value="", reason="tests"), by=OFFICER)
    permit_id = await exchanged(scene, InquiryState.DENIED)
    await measures.lift(switch_id, by=OFFICER)
    rightly = await checked(scene)

    await owner.execute(_NO_SWITCHES)
    found = await checked(scene)

    assert about(rightly, permit_id) == []
    assert about(found, permit_id) == [(check_provisions.DENIED, "stopped")]


async def test_a_delivery_that_followed_no_hold_is_named(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    _, held = await scene.held()
    await scene.released(held)
    await told(outbox_job(scene.city), "delivery")
    hidden = (
        "UPDATE log_entries SET permit_id = $2::uuid"
        " WHERE permit_id = $1::uuid AND kind = 'provision'"
    )
    elsewhere = new_id()

    await owner.execute(hidden, held.permit_id, elsewhere)
    try:
        found = await checked(scene)
    finally:
        await owner.execute(hidden, elsewhere, held.permit_id)

    assert about(found, held.permit_id) == [(check_provisions.NOT_HELD, None)]


async def test_a_changed_row_is_named_and_hides_no_other(
    scene: Scene,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    damaged, whole = await exchanged(scene), await exchanged(scene)
    row = await owner.fetchrow(
        "SELECT entry_id, private FROM log_entries"
        " WHERE permit_id = $1::uuid AND kind = 'provision'",
        damaged,
    )
    assert row is not None
    change = "UPDATE log_entries SET private = $2 WHERE entry_id = $1"

    await owner.execute(change, row["entry_id"], bytes(64))
    try:
        async with with_row(owner, _SWITCH, _NO_SWITCH, new_id()):
            found = await checked(scene)
    finally:
        await owner.execute(change, row["entry_id"], row["private"])

    assert (check_provisions.DAMAGED, row["entry_id"].hex) in {
        (one.reason, one.entry_id) for one in found.findings
    }
    assert about(found, whole) == [(derive.FORBIDDEN, "stopped")]


async def test_the_checkers_session_cannot_write(scene: Scene) -> None:
    async with (
        scene.city.context.database.read_only() as database,
        database.read() as connection,
    ):
        assert await connection.fetchval("SELECT count(*) FROM log_entries") > 0
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM log_entries")
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM log_entries")


async def test_every_day_that_is_over_is_checked_once(scene: Scene) -> None:
    now = scene.clock.now()
    noon = now.astimezone(TOKYO).replace(hour=12)
    today, tomorrow, day_after = (
        ProvisionCheckJob(
            later(scene.city.context, seconds=(noon - now).total_seconds(), days=days),
            scene.city.flows.checker,
        )
        for days in range(3)
    )
    await today.turn()
    entries = await scene.total(NAGAOKA, check_provisions.KIND)

    await tomorrow.turn()
    await tomorrow.turn()
    one = await scene.total(NAGAOKA, check_provisions.KIND) - entries
    await day_after.turn()

    assert one == 1
    assert await scene.total(NAGAOKA, check_provisions.KIND) == entries + 2
    async with scene.city.context.database.read() as connection:
        done = await connection.fetchval("SELECT done_until FROM nightly_jobs WHERE job = $1", JOB)
    assert tokyo_day(done) == noon.date() + timedelta(days=2)
