"""Reconciling finds what the three parties' records differ in, and mends what can be mended.

Everything here looks only at what was requested since its test began; the time at which nothing
comes any more is a clock that shows it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import pytest

from codes.canonical import TOKYO, instant, tokyo_day
from gateway.app.gateway_role import Gateway
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.notices import Notices
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.receipts import FETCHED, Receipts
from gateway.flows.reconcile_network import Reconcile, Reconciled
from gateway.jobs.reconciliation import JOB, ReconciliationJob
from gateway.records.entry import parse_entry
from gateway.storage import nightly, records
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import (
    PROVISIONS,
    Scene,
    die,
    later,
    outbox_job,
    parties_at_rest,
    told,
)
from tests.e2e.resilience.test_withdrawn import lapse, outcomes_at_core, withdraw
from tests.e2e.staff import a_person, first_account, run_cli
from tests.integration.core.world import WorldClock

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE
OVER_DAYS = 10
"""The request has expired, and everybody has had the time to speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What was requested since a test began, as each party reconciles it ten days later."""

    scene: Scene
    postgres: EmbeddedPostgres
    begins: datetime

    def reconcile(self, gateway: Gateway, *, days: float = OVER_DAYS) -> Reconcile:
        """Return the flow of a gateway, so many days later."""
        context, outcomes = later(gateway.context, days=days), gateway.flows.outcomes
        return Reconcile(context, Receipts(context, outcomes), outcomes)

    async def reconciled(self, gateway: Gateway, *, days: float = OVER_DAYS) -> Reconciled:
        ends = self.scene.clock.now() + timedelta(seconds=1)
        return await self.reconcile(gateway, days=days).run(self.begins, ends)

    async def found(self, gateway: Gateway) -> list[tuple[str, str]]:
        """Return who differs in what."""
        differences = (await self.reconciled(gateway)).differences
        return sorted((one.organisation, one.reason) for one in differences)

    async def change(self, name: str, sql: str, *arguments: object) -> None:
        """What only somebody with every right on a party's database can do."""
        dsn = self.scene.network.parties[name].worker.dsn
        database = dsn.split("?")[0].rpartition("/")[2]
        connection = await asyncpg.connect(self.postgres.dsn(SUPERUSER, database))
        try:
            done = await connection.execute(sql, *arguments)
        finally:
            await connection.close()
        assert int(done.split()[-1]) > 0

    async def exchange(self) -> str:
        """Return the permit of an exchange that came to its end, told by both to the core."""
        view = await self.scene.answered(await self.scene.asked())
        assert view.row.state is InquiryState.PROVIDED
        assert view.row.permit_id is not None
        await self.all_told()
        return view.row.permit_id

    async def all_told(self) -> None:
        await self.scene.all_told()
        for gateway in (self.scene.union, self.scene.city):
            await told(outbox_job(gateway), OUTCOME)


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    """Parties of this module's own: what is changed here behind their backs stays changed."""
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    return People(network, network.key_stores[CORE])


@pytest.fixture
async def since(scene: Scene, postgres: EmbeddedPostgres) -> Since:
    await scene.all_told()
    return Since(scene=scene, postgres=postgres, begins=scene.clock.now())


async def test_three_parties_that_agree_find_nothing(since: Since) -> None:
    await since.exchange()
    _, row = await since.scene.held()
    await since.scene.released(row)
    await told(outbox_job(since.scene.city), "delivery")
    await since.all_told()

    union = await since.reconciled(since.scene.union)
    city = await since.reconciled(since.scene.city)

    assert (union.differences, union.repaired) == ([], [])
    assert (city.differences, city.repaired) == ([], [])
    assert (union.permits, union.unfinished, city.permits) == (2, 0, 2)


@pytest.mark.parametrize("give_up", [withdraw, lapse], ids=["withdrawn", "lapsed"])
async def test_an_answer_lost_until_its_provider_forgot_it_is_taken_in_by_its_statement(
    since: Since, give_up: object
) -> None:
    scene = since.scene
    async with (
        scene.another_worker(UNION) as dying,
        road(scene.network, dying.context, to=NAGAOKA) as way,
    ):
        way.next(PROVISIONS, Fate.HOLD_ANSWER)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    await give_up(scene, inquiry_id)  # type: ignore[operator]  # an async function
    await since.all_told()
    await since.change(NAGAOKA, "DELETE FROM answers")
    assert (await scene.view(inquiry_id)).row.permit_id is None

    first = await since.reconciled(scene.union)
    await since.all_told()
    again, at_city = await since.reconciled(scene.union), await since.reconciled(scene.city)

    assert [(one.organisation, one.reason) for one in first.repaired] == [
        (UNION, "receipt-missing")
    ]
    assert (first.differences, again.repaired, again.differences) == ([], [], [])
    assert at_city.differences == []
    row = (await scene.view(inquiry_id)).row
    assert row.state.value in {"withdrawn", "lapsed"}
    assert row.result_box is None
    assert await outcomes_at_core(scene, row.permit_id) == [
        ("provision", "provided"),
        ("receipt", "provided"),
    ]
    async with scene.union.context.database.read() as connection:
        (entry,) = await records.find_by_permit(connection, [row.permit_id or ""])
    receipt = parse_entry(entry.leaf).public
    assert receipt.kind == "receipt"
    assert receipt.reason == FETCHED  # type: ignore[attr-defined]  # a receipt
    assert receipt.payload is not None  # type: ignore[attr-defined]  # what it committed to


async def test_a_delivery_that_found_nobody_waiting_is_taken_in_after_its_provision(
    since: Since,
) -> None:
    scene = since.scene
    inquiry_id, held = await scene.held()
    await lapse(scene, inquiry_id)
    await scene.released(held)
    await told(outbox_job(scene.city), "delivery")
    await since.all_told()

    found = await since.reconciled(scene.union)

    assert [one.reason for one in found.repaired] == ["receipt-missing"]
    assert found.differences == []
    assert await outcomes_at_core(scene, held.permit_id) == [
        ("delivery", "provided"),
        ("provision", "withheld"),
        ("receipt", "provided"),
        ("receipt", "withheld"),
    ]


async def test_what_still_runs_misses_nothing_yet(since: Since) -> None:
    await since.exchange()
    await since.change(CORE, "DELETE FROM core_outcomes WHERE party = $1", UNION)

    found = await since.reconciled(since.scene.union, days=0)

    assert (found.permits, found.unfinished) == (1, 1)
    assert (found.repaired, found.differences) == ([], [])


async def test_an_outcome_that_the_core_lost_is_told_again(since: Since) -> None:
    permit_id = await since.exchange()
    await since.change(CORE, "DELETE FROM core_outcomes WHERE permit_id = $1::uuid", permit_id)

    for gateway in (since.scene.union, since.scene.city):
        found = await since.reconciled(gateway)
        assert (CORE, "outcome-missing") in {
            (one.organisation, one.reason) for one in found.repaired
        }
    await since.all_told()

    assert await since.found(since.scene.union) == []
    assert await since.found(since.scene.city) == []


async def test_a_permit_that_the_core_hides_is_named_by_both(since: Since) -> None:
    permit_id = await since.exchange()
    await since.change(CORE, "DELETE FROM core_inquiries WHERE permit_id = $1::uuid", permit_id)

    for gateway in (since.scene.union, since.scene.city):
        (found,) = (await since.reconciled(gateway)).differences
        assert (found.organisation, found.reason) == (CORE, "permit-unknown")
        assert found.permit_id == permit_id


async def test_an_outcome_changed_at_the_core_is_named(since: Since) -> None:
    permit_id = await since.exchange()
    await since.change(
        CORE,
        "UPDATE core_outcomes SET outcome = 'no-information'"
        " WHERE permit_id = $1::uuid AND kind = 'provision'",
        permit_id,
    )

    assert await since.found(since.scene.union) == [(CORE, "outcome-differs")]
    assert await since.found(since.scene.city) == [(CORE, "outcome-differs")]


async def test_a_permit_that_was_never_presented_is_settled_by_its_notice(
    since: Since, rogue: Rogue
) -> None:
    scene = since.scene
    permit_id = (await rogue.permitted()).permit_id
    before = await since.found(scene.city)
    await scene.tell_notices()
    await Notices(later(scene.city.context, days=1)).turn()

    assert before == [(NAGAOKA, "notice-missing")]
    assert await scene.count(NAGAOKA, permit_id, "notified", "provision") == [1, 0]
    assert await since.found(scene.city) == []
    assert await since.found(scene.union) == []


async def test_a_provider_that_denies_its_provision_is_named(since: Since) -> None:
    permit_id = await since.exchange()
    await since.change(
        CORE,
        "DELETE FROM core_outcomes WHERE permit_id = $1::uuid AND kind = 'provision'",
        permit_id,
    )
    unhidden = await since.found(since.scene.union)
    await since.change(
        NAGAOKA, "UPDATE log_entries SET permit_id = NULL WHERE permit_id = $1::uuid", permit_id
    )

    assert unhidden == [(CORE, "outcome-missing")]
    assert await since.found(since.scene.union) == [(NAGAOKA, "provision-missing")]
    assert await since.found(since.scene.city) == [
        (NAGAOKA, "notice-missing"),
        (NAGAOKA, "provision-missing"),
    ]


async def test_a_changed_row_is_listed_and_hides_no_other(since: Since) -> None:
    damaged, whole = await since.exchange(), await since.exchange()
    await since.change(
        NAGAOKA,
        "UPDATE log_entries SET leaf = '\\x7b7d' WHERE permit_id = $1::uuid",
        damaged,
    )
    await since.change(
        CORE, "UPDATE core_outcomes SET outcome = 'failed' WHERE permit_id = $1::uuid", whole
    )

    found = await since.reconciled(since.scene.city)

    assert (NAGAOKA, "record-damaged") in {
        (one.organisation, one.reason) for one in found.differences
    }
    assert (CORE, "outcome-differs", whole) in {
        (one.organisation, one.reason, one.permit_id) for one in found.differences
    }


async def test_a_night_is_done_once_and_by_one_worker(since: Since) -> None:
    scene = since.scene
    await since.exchange()
    now = scene.clock.now()
    noon = now.astimezone(TOKYO).replace(hour=12) + timedelta(days=OVER_DAYS)
    context = later(scene.union.context, seconds=(noon - now).total_seconds())
    job, other = (ReconciliationJob(context, since.reconcile(scene.union)) for _ in range(2))
    async with scene.union.context.database.read() as connection:
        night = tokyo_day(context.clock.now())
        first = await nightly.claim(
            connection, JOB, night=night - timedelta(days=1), begins=since.begins
        )
        turn = await nightly.claim(connection, JOB, night=night, begins=now)
        await other.turn()
        assert (first, turn) == (None, since.begins)
        whilst = await scene.total(UNION, "reconciled")
        await connection.execute("UPDATE nightly_jobs SET lease_until = now()")

        await job.turn()
        done = await scene.total(UNION, "reconciled")
        await other.turn()
        row = await connection.fetchrow("SELECT * FROM nightly_jobs WHERE job = $1", JOB)

    assert done > whilst
    assert await scene.total(UNION, "reconciled") == done
    assert row is not None
    assert row["done_until"] > since.begins
    assert row["night"] == night


async def test_a_security_officer_reconciles_and_nobody_else(since: Since) -> None:
    permit_id = await since.exchange()
    root = await (await first_account(since.scene.network, UNION)).sign_in()
    officer = await a_person(root, "officer", "security-officer")
    auditor = await a_person(root, "auditor", "auditor")
    ends = instant(since.scene.clock.now() + timedelta(seconds=1))
    period = ("records", "reconcile", "--begins", instant(since.begins), "--ends", ends)

    agreed = await run_cli(since.scene.network, UNION, *period, lines=[officer.credential()])
    refused = await run_cli(since.scene.network, UNION, *period, lines=[auditor.credential()])
    await since.change(
        CORE, "UPDATE core_outcomes SET outcome = 'failed' WHERE permit_id = $1::uuid", permit_id
    )
    differs = await run_cli(since.scene.network, UNION, *period, lines=[officer.credential()])

    assert (agreed.code, agreed.json["reconciled"], agreed.json["permits"]) == (
        ExitCode.DONE,
        True,
        1,
    )
    assert refused.code == ExitCode.REFUSED
    assert (differs.code, differs.json["reconciled"]) == (ExitCode.FAILED, False)
    assert {one["reason"] for one in differs.json["differences"]} == {"outcome-differs"}


async def test_a_security_officer_has_a_day_checked(since: Since) -> None:
    permit_id = await since.exchange()
    root = await (await first_account(since.scene.network, NAGAOKA)).sign_in()
    officer = await a_person(root, "officer", "security-officer")
    today = tokyo_day(since.scene.clock.now()).isoformat()
    asked = ("records", "check", "--day", today)

    await since.change(
        NAGAOKA,
        "INSERT INTO stop_switches (switch_id, by, reason, maker, set_at)"
        " VALUES (repeat('0', 32), 'all', 'tests', 'x', now() - interval '1 hour')",
    )
    differs = await run_cli(since.scene.network, NAGAOKA, *asked, lines=[officer.credential()])
    await since.change(NAGAOKA, "DELETE FROM stop_switches")

    assert differs.code == ExitCode.FAILED
    assert ("given-though-forbidden", "stopped") in {
        (one["reason"], one["ground"])
        for one in differs.json["findings"]
        if one.get("permit_id") == permit_id
    }
