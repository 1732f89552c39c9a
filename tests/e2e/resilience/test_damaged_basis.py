"""What was changed in a kept basis, or is not kept any more, is named or counted and judges nobody.

It is changed behind the gateway's back, as somebody with every right on its database could; that
is undone at the end of each test.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import LiteralString

import asyncpg
import pytest

from codes.canonical import tokyo_day
from gateway.demo import cast
from gateway.flows import check_provisions
from gateway.flows.check_provisions import CheckProvisions
from gateway.flows.keep_basis import LAW_KIND, RULES_KIND
from gateway.flows.record_types import Draft, EffectRefusedError, new_id
from gateway.storage import basis
from gateway.storage.basis import BasisInUse
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.basis_scene import (
    CLEARLY,
    NAGAOKA,
    a_clock,
    about,
    checked,
    exchanged,
    kept,
    later_than,
    next_law,
    published,
    reasons,
)
from tests.e2e.resilience.scene import Scene, parties_at_rest
from tests.e2e.test_exchange import an_order
from tests.integration.core.world import WorldClock


@pytest.fixture(scope="module")
def clock() -> WorldClock:
    return a_clock()


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture
async def owner(
    scene: Scene, postgres: EmbeddedPostgres
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody with every right on the provider's database, whom no constraint stops."""
    dsn = scene.network.parties[NAGAOKA].worker.dsn
    connection = await asyncpg.connect(
        postgres.dsn(SUPERUSER, dsn.split("?")[0].rpartition("/")[2])
    )
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "ALTER TABLE basis_documents DROP CONSTRAINT IF EXISTS basis_documents_digest"
    )
    yield connection
    await connection.close()


ALTER: LiteralString = "UPDATE basis_documents SET document = $2 WHERE digest = $1"


@pytest.mark.parametrize(
    ("column", "what"),
    [("allow_list_document", "allow-list"), ("bodies", "bodies"), ("rules", "rules")],
)
async def test_a_kept_document_that_was_changed_since_is_named_and_judges_nobody(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]", column: str, what: str
) -> None:
    permit_id = await exchanged(scene)
    scene.clock.ahead += CLEARLY
    newest = (await kept(scene.city))[-1]
    digest = getattr(newest, column)
    raw = await owner.fetchval("SELECT document FROM basis_documents WHERE digest = $1", digest)

    await owner.execute(ALTER, digest, raw.replace(b"2", b"1"))
    try:
        found = await checked(scene.city)
    finally:
        await owner.execute(ALTER, digest, raw)
    whole = await checked(scene.city)

    named = {one.entry_id for one in found.findings if one.reason == check_provisions.BASIS_DAMAGED}
    assert newest.entry_id in named
    assert (check_provisions.BASIS_DAMAGED, what) in reasons(found)
    assert about(found, permit_id) == []
    assert found.unchecked > whole.unchecked
    assert check_provisions.BASIS_DAMAGED not in {one.reason for one in whole.findings}


async def test_a_kept_basis_that_says_something_else_than_its_entry_is_named(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    permit_id = await exchanged(scene)
    newest = (await kept(scene.city))[-1]
    change = "UPDATE decision_basis SET law_version = $2 WHERE number = $1"

    await owner.execute(change, newest.number, "another")
    try:
        found = await checked(scene.city)
    finally:
        await owner.execute(change, newest.number, newest.law_version)

    assert [one for one in found.findings if one.entry_id == newest.entry_id] == [
        check_provisions.Finding(
            reason=check_provisions.BASIS_DAMAGED,
            kind=LAW_KIND,
            entry_id=newest.entry_id,
            ground="entry",
        )
    ]
    assert about(found, permit_id) == []


async def test_a_basis_that_was_taken_away_is_named_by_its_entry(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    scene.clock.ahead += CLEARLY
    await published(scene, next_law(scene, "law-taken-away"))
    permit_id = await exchanged(scene)
    newest = (await kept(scene.city))[-1]

    await owner.execute("CREATE TEMPORARY TABLE away AS SELECT * FROM decision_basis")
    await owner.execute("DELETE FROM decision_basis WHERE number = $1", newest.number)
    try:
        found = await checked(scene.city)
    finally:
        await owner.execute(
            "INSERT INTO decision_basis SELECT * FROM away WHERE number = $1", newest.number
        )

    assert (check_provisions.BASIS_DAMAGED, "row") in reasons(found)
    assert about(found, permit_id) == []


async def test_what_rests_on_a_document_that_is_gone_is_unchecked(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    permit_id = await exchanged(scene)
    scene.clock.ahead += CLEARLY
    whole = await checked(scene.city)

    await owner.execute("CREATE TEMPORARY TABLE gone AS SELECT * FROM basis_documents")
    await owner.execute("DELETE FROM basis_documents WHERE kind = 'rules'")
    try:
        found = await checked(scene.city)
    finally:
        await owner.execute("INSERT INTO basis_documents SELECT * FROM gone WHERE kind = 'rules'")

    assert found.unchecked > whole.unchecked
    assert found.checked == 0
    assert about(found, permit_id) == []
    assert check_provisions.BASIS_DAMAGED not in {one.reason for one in found.findings}


async def test_a_day_of_before_the_first_basis_is_unchecked(
    new_database: NewDatabase, postgres: EmbeddedPostgres
) -> None:
    clock = WorldClock()
    async with parties_at_rest(new_database, clock) as network:
        scene = Scene(
            network=network,
            people=People(network, network.key_stores[cast.CORE]),
            clock=clock,
        )
        await exchanged(scene)
        day = tokyo_day(clock.now())
        whole = await scene.city.flows.checker.run(day)
        dsn = network.parties[NAGAOKA].worker.dsn
        owner = await asyncpg.connect(postgres.dsn(SUPERUSER, dsn.split("?")[0].rpartition("/")[2]))
        await owner.execute("DELETE FROM decision_basis")
        await owner.execute("DELETE FROM log_entries WHERE kind = $1", LAW_KIND)
        await owner.close()
        scene.clock.ahead += CLEARLY
        async with scene.another_worker(NAGAOKA) as upgraded:
            found = await upgraded.flows.checker.run(day)

    assert (whole.checked, whole.unchecked) == (1, 0)
    assert (found.checked, found.unchecked, found.findings) == (0, 1, [])


async def test_flags_that_may_be_deleted_meanwhile_accuse_nobody(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    given = await exchanged(scene)
    _, held = await scene.held()
    deleted = await owner.execute("DELETE FROM subject_flags WHERE subject = $1", held.subject)
    assert deleted == "DELETE 1"

    found = await checked(scene.city)
    day = tokyo_day(scene.clock.now())
    late = await CheckProvisions(later_than(scene, scene.city, days=61)).run(day)

    assert about(found, held.permit_id) == [(check_provisions.WITHOUT_GROUND, None)]
    assert about(late, held.permit_id) == about(late, given) == []
    assert late.unchecked >= found.unchecked + 2


async def test_a_flag_that_still_stands_is_judged_by_however_long_ago(
    scene: Scene, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    number = await scene.person()
    view = await scene.answered(await scene.asked(order=an_order(number)))
    subject = scene.city.context.vault.subject(number)
    await owner.execute(
        "INSERT INTO subject_flags (flag_id, subject, kind, reason, maker, maker_kind, set_at)"
        " VALUES ($1, $2, 'automatic-answer-disabled', 'tests', 'x', 'staff',"
        " now() - interval '1 hour')",
        new_id(),
        subject,
    )

    day = tokyo_day(scene.clock.now())
    late = await CheckProvisions(later_than(scene, scene.city, days=61)).run(day)

    ((reason, _),) = about(late, view.row.permit_id)
    assert reason == check_provisions.HELD


async def test_switches_that_may_be_deleted_meanwhile_accuse_nobody(scene: Scene) -> None:
    await exchanged(scene)
    day = tokyo_day(scene.clock.now())

    found = await checked(scene.union)
    late = await CheckProvisions(later_than(scene, scene.union, days=7 * 366 + 1)).run(day)

    assert found.unchecked == late.checked == 0
    assert late.unchecked == found.checked > 0


async def test_the_database_takes_no_rules_under_the_name_of_others(scene: Scene) -> None:
    """What two workers that start at once could otherwise do."""
    rows = await kept(scene.city)
    other = b'{"format":1}'
    async with scene.city.context.database.read() as connection:
        await basis.store_document(connection, "rules", other)
    row = replace(
        rows[-1],
        number=1 + max(row.number for row in rows),
        entry_id=new_id(),
        rules=hashlib.sha256(other).hexdigest(),
    )
    draft = Draft(
        kind=RULES_KIND,
        members={},
        private=row.to_json(),
        entry_id=row.entry_id,
        effects=(BasisInUse(basis=row),),
    )

    (outcome,) = await scene.city.context.writer.append([draft], source="test")

    assert isinstance(outcome, EffectRefusedError)
    assert await kept(scene.city) == rows
