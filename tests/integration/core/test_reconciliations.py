"""`POST /v1/reconciliations`: each party sees its own permits, all of them, and no row more."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from codes.canonical import instant, tokyo_day
from gateway.core.reconciliations import PERIOD_MAX
from gateway.outbound.errors import MessageRefusedError
from gateway.storage import core_inquiries
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.wire.reconciliations import (
    PermitReconciled,
    ReconciliationsAnswer,
    ReconciliationsRequest,
)
from tests.integration.core.answers import a_person
from tests.integration.core.conftest import Core
from tests.integration.core.exchange import Exchange, exchange
from tests.integration.core.test_outcomes import tell
from tests.integration.core.world import IMMIGRATION, NAGAOKA, UNION, Member, World

HOUR = timedelta(hours=1)
FULL = 400
"""How many permits a full day has for each that is there."""

__all__ = ["exchange"]  # a fixture

pytestmark = pytest.mark.usefixtures("core")


async def page(
    member: Member, begins: datetime, ends: datetime, *, after: str | None = None, limit: int = 256
) -> ReconciliationsAnswer:
    request = ReconciliationsRequest(
        begins=instant(begins), ends=instant(ends), after=after, limit=limit
    )
    return await member.context.peers.post(
        "core", "/v1/reconciliations", request, ReconciliationsAnswer
    )


async def everything(member: Member, world: World, *, limit: int = 256) -> list[PermitReconciled]:
    now = world.clock.now()
    found: list[PermitReconciled] = []
    after = None
    while True:
        answer = await page(member, now - HOUR, now + HOUR, after=after, limit=limit)
        found += answer.permits
        after = answer.next
        if after is None:
            return found


async def test_both_parties_see_the_permit_and_what_was_told_of_it(
    world: World, union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    provision, _ = await tell(nagaoka, exchange, "provision", exchange.provision())
    receipt, _ = await tell(union, exchange, "receipt", exchange.receipt(provision.leaf_hash.hex()))

    seen = [
        [
            one
            for one in await everything(member, world)
            if one.permit_id == exchange.permit.permit_id
        ]
        for member in (union, nagaoka)
    ]

    assert seen[0] == seen[1]
    (permit,) = seen[0]
    assert (permit.inquirer, permit.provider) == (UNION, NAGAOKA)
    assert (permit.inquiry_leaf, permit.permit_leaf) == (
        exchange.permit.inquiry_leaf,
        exchange.permit.permit_leaf,
    )
    assert (permit.requested_at, permit.request_expires) == (
        exchange.permit.requested_at,
        exchange.permit.request_expires,
    )
    assert [(one.party, one.kind, one.outcome, one.leaf, one.of) for one in permit.told] == [
        (NAGAOKA, "provision", "no-information", provision.leaf_hash.hex(), None),
        (UNION, "receipt", "no-information", receipt.leaf_hash.hex(), provision.leaf_hash.hex()),
    ]


async def test_pages_join_without_gap_or_overlap_and_a_refusal_is_no_permit(
    world: World, core: Core, union: Member
) -> None:
    people = [(await a_person(core))[1] for _ in range(5)]
    refused = core.code(await core.enrol(UNION), UNION)
    await union.permits(*[await union.ask(code) for code in [*people, refused]])

    whole = await everything(union, world)
    by_two = await everything(union, world, limit=2)

    assert len(whole) >= len(people)
    assert by_two == whole
    places = [(one.requested_at, one.permit_id) for one in whole]
    assert places == sorted(places)


async def test_a_stranger_to_the_exchange_sees_nothing_of_it(
    world: World, core: Core, exchange: Exchange, union: Member
) -> None:
    assert exchange.permit.permit_id in {one.permit_id for one in await everything(union, world)}

    async with core.database.read() as connection:
        found = await core_inquiries.permits_of(
            connection,
            IMMIGRATION,
            after=core_inquiries.PermitPlace.before(world.clock.now() - HOUR),
            ends=world.clock.now() + HOUR,
            begins_day=tokyo_day(world.clock.now() - HOUR),
            ends_day=tokyo_day(world.clock.now() + HOUR),
            limit=100,
        )

    assert found == []


async def test_an_inquirer_asks_what_became_of_its_own_inquiries_and_of_no_others(
    world: World, core: Core, exchange: Exchange, union: Member, nagaoka: Member
) -> None:
    (_, unknown) = await a_person(core)
    now, permit = world.clock.now(), exchange.permit
    asked = [permit.inquiry_leaf, (await union.ask(unknown)).recorded.leaf_hash.hex()]

    async def found(member: Member, begins: datetime, ends: datetime) -> ReconciliationsAnswer:
        request = ReconciliationsRequest(
            begins=instant(begins), ends=instant(ends), inquiry_leaves=asked, limit=1
        )
        return await member.context.peers.post(
            "core", "/v1/reconciliations", request, ReconciliationsAnswer
        )

    by_inquirer = await found(union, now - HOUR, now + HOUR)
    by_provider = await found(nagaoka, now - HOUR, now + HOUR)
    before = await found(union, now - 2 * HOUR, now - HOUR)

    assert [one.permit_id for one in by_inquirer.permits] == [permit.permit_id]
    assert by_inquirer.next is None
    assert (by_provider.permits, before.permits) == ([], [])


@pytest.mark.parametrize("length", [timedelta(0), -HOUR, PERIOD_MAX + timedelta(milliseconds=1)])
async def test_a_period_that_is_none_or_too_long_is_refused(
    world: World, union: Member, length: timedelta
) -> None:
    begins = world.clock.now() - HOUR

    with pytest.raises(MessageRefusedError) as refused:
        await page(union, begins, begins + length)

    assert (refused.value.refusal.type, refused.value.refusal.pointer) == ("invalid-body", "/ends")


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("2026-02-30T00:00:00.000Z", "2026-03-01T00:00:00.000Z"),
        ("2026-02-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-02T00:00:00.000Z"),
        ("9999-12-30T00:00:00.000Z", "9999-12-31T00:00:00.000Z"),
    ],
)
async def test_a_period_of_days_there_are_not_is_refused(
    union: Member, begins: str, ends: str
) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        await union.context.peers.post(
            "core",
            "/v1/reconciliations",
            ReconciliationsRequest(begins=begins, ends=ends),
            ReconciliationsAnswer,
        )

    assert (refused.value.refusal.type, refused.value.refusal.pointer) == (
        "invalid-body",
        "/begins",
    )


async def test_a_cursor_that_is_none_of_ours_is_refused(world: World, union: Member) -> None:
    now = world.clock.now()

    with pytest.raises(MessageRefusedError) as refused:
        await page(union, now - HOUR, now, after="bm9uZQ")

    assert refused.value.refusal.type == "invalid-query"


async def rows_read(connection: asyncpg.Connection, world: World, limit: int) -> int:
    """Return how many rows one page reads by the plan that is made without seeing the values."""
    now = world.clock.now()
    today = tokyo_day(now)
    plan = await connection.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page"
        f"('{UNION}', '{now - HOUR}', '{UUID(int=0)}', '{now + HOUR}',"
        f" '{today - timedelta(days=9)}', '{today + timedelta(days=1)}', {limit},"
        " 200001, 209901)"
    )

    def of(node: dict[str, object]) -> int:
        own = 0
        if "Relation Name" in node:
            read = int(node["Actual Rows"]) + int(node.get("Rows Removed by Filter", 0))  # type: ignore[call-overload]  # JSON
            own = read * int(node["Actual Loops"])  # type: ignore[call-overload]  # JSON
        below: list[dict[str, object]] = node.get("Plans", [])  # type: ignore[assignment]  # JSON
        return own + sum(map(of, below))

    return of(json.loads(plan)[0]["Plan"])


@pytest.mark.usefixtures("exchange")
async def test_a_page_reads_no_more_rows_on_a_full_day(
    world: World, core: Core, postgres: EmbeddedPostgres
) -> None:
    limit = 8
    async with core.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, name))
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute("SET enable_seqscan = off")
        types = "text, timestamptz, uuid, timestamptz, date, date, integer, integer, integer"
        await connection.execute(f"PREPARE page ({types}) AS {core_inquiries._PERMITS_OF}")
        for inquirer, provider in ((UNION, NAGAOKA), (NAGAOKA, UNION), (NAGAOKA, IMMIGRATION)):
            await connection.execute(
                "INSERT INTO core_inquiries SELECT (jsonb_populate_record(s.t, jsonb_build_object("
                " 'leaf', '\\x' || encode(sha256(gen_random_uuid()::text::bytea), 'hex'),"
                " 'permit_id', gen_random_uuid(), 'inquirer', $1::text, 'provider', $2::text))).*"
                " FROM (SELECT r AS t FROM core_inquiries AS r WHERE permit_id IS NOT NULL LIMIT 1)"
                " AS s, generate_series(1, $3)",
                inquirer,
                provider,
                FULL,
            )
        await connection.execute("ANALYZE core_inquiries")

        read = await rows_read(connection, world, limit)
    finally:
        await connection.execute("DELETE FROM core_inquiries WHERE provider <> $1", NAGAOKA)
        await connection.close()

    # Two sides of a page, and the entry of each permit on it.
    assert limit <= read <= 3 * limit + 2
