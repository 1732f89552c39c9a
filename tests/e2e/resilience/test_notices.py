"""The core's notices: evidence of what was permitted and never asked for (命令85 41①③)."""

import asyncio
from datetime import datetime, timedelta

import msgspec
from structlog.testing import capture_logs

from gateway.demo import cast
from gateway.flows.notices import Notices
from tests.e2e.adversary.rogue import Permitted, Rogue
from tests.e2e.resilience.scene import Scene, later


async def kept(scene: Scene, permit_id: str) -> str | None:
    async with scene.city.context.database.read() as connection:
        state: str | None = await connection.fetchval(
            "SELECT state FROM notices WHERE permit_id = $1", permit_id
        )
    return state


async def entries(scene: Scene, permit_id: str) -> list[int]:
    return await scene.count(cast.NAGAOKA, permit_id, "notified", "lapsed")


async def expiry(scene: Scene, permit_id: str) -> datetime:
    """Return when the permit's token stops being good."""
    async with scene.city.context.database.read() as connection:
        expires: datetime = await connection.fetchval(
            "SELECT token_expires FROM notices WHERE permit_id = $1", permit_id
        )
    return expires


async def turn(scene: Scene, at: datetime) -> None:
    """Let the job come round at this instant."""
    ahead = (at - scene.clock.now()).total_seconds()
    await Notices(later(scene.city.context, seconds=ahead)).turn()


async def expire_request(scene: Scene, permit_id: str) -> None:
    async with scene.city.context.database.read() as connection:
        await connection.execute(
            "UPDATE notices SET request_expires = now() - interval '1 s' WHERE permit_id = $1",
            permit_id,
        )


async def test_a_notice_of_a_permit_that_came_already_is_not_kept(
    scene: Scene, rogue: Rogue
) -> None:
    permitted = await rogue.permitted()
    await rogue.present(permitted)

    await scene.tell_notices()

    assert await kept(scene, permitted.permit_id) is None


async def test_a_notice_goes_when_its_permit_comes(scene: Scene, rogue: Rogue) -> None:
    permitted = await rogue.permitted()
    await scene.tell_notices()
    before = await kept(scene, permitted.permit_id)

    await rogue.present(permitted)
    await turn(scene, scene.clock.now() + timedelta(days=8))

    assert before == "told"
    assert await kept(scene, permitted.permit_id) is None
    assert await entries(scene, permitted.permit_id) == [0, 0]


async def test_a_permit_that_never_came_is_on_record_a_minute_after_its_token(
    scene: Scene, rogue: Rogue
) -> None:
    permit_id = (await rogue.permitted()).permit_id
    await scene.tell_notices()
    due = await expiry(scene, permit_id) + timedelta(minutes=1)

    await turn(scene, due - timedelta(seconds=1))
    early = await entries(scene, permit_id)
    await turn(scene, due + timedelta(seconds=1))
    notified = await entries(scene, permit_id)
    await turn(scene, due + timedelta(minutes=1))

    assert (early, notified) == ([0, 0], [1, 0])
    assert await entries(scene, permit_id) == [1, 0]


async def test_a_request_that_expired_unasked_lapses_once(scene: Scene, rogue: Rogue) -> None:
    permit_id = (await rogue.permitted()).permit_id
    await scene.tell_notices()
    await turn(scene, await expiry(scene, permit_id) + timedelta(minutes=2))
    still = await kept(scene, permit_id)
    await expire_request(scene, permit_id)

    await turn(scene, scene.clock.now())
    await turn(scene, scene.clock.now())

    assert still == "notified"
    assert await entries(scene, permit_id) == [1, 1]
    assert await kept(scene, permit_id) is None


async def test_a_notice_that_does_not_open_is_set_aside_and_holds_up_no_other(
    scene: Scene, rogue: Rogue
) -> None:
    broken, whole = [(await rogue.permitted()).permit_id for _ in range(2)]
    await scene.tell_notices()
    due = await expiry(scene, broken) + timedelta(minutes=2)
    async with scene.city.context.database.read() as connection:
        box = await connection.fetchval(
            "UPDATE notices AS n SET notice_box = o.notice_box || '\\x00'::bytea FROM notices AS o"
            " WHERE n.permit_id = $1 AND o.permit_id = $1 RETURNING o.notice_box",
            broken,
        )

    with capture_logs() as lines:
        await turn(scene, due)
        await turn(scene, due)
    aside = [await entries(scene, one) for one in (broken, whole)], await kept(scene, broken)
    async with scene.city.context.database.read() as connection:
        await connection.execute(
            "UPDATE notices SET notice_box = $2 WHERE permit_id = $1", broken, box
        )
    await turn(scene, due)  # nobody looks at it before an operator has
    still = await entries(scene, broken)
    async with scene.city.context.database.read() as connection:
        await connection.execute(
            "UPDATE notices SET set_aside_at = NULL WHERE permit_id = $1", broken
        )
    await turn(scene, due)

    assert (*aside, still) == ([[0, 0], [1, 0]], "told", [0, 0])
    assert [
        (line["permit_id"], line["reason"]) for line in lines if line["event"] == "notice_set_aside"
    ] == [(broken, "box-does-not-open")]
    assert await entries(scene, broken) == [1, 0]


async def test_a_permit_that_comes_with_a_new_token_after_it_was_notified_does_not_lapse(
    scene: Scene, rogue: Rogue
) -> None:
    permitted = await rogue.permitted()
    await scene.tell_notices()
    await turn(scene, await expiry(scene, permitted.permit_id) + timedelta(minutes=2))

    await rogue.present(permitted)
    await expire_request(scene, permitted.permit_id)
    await turn(scene, scene.clock.now())

    assert await entries(scene, permitted.permit_id) == [1, 0]


async def test_a_notice_kept_at_the_moment_its_permit_was_used_says_nothing(
    scene: Scene, rogue: Rogue
) -> None:
    permitted = await rogue.permitted()
    await scene.tell_notices()
    async with scene.city.context.database.read() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM notices WHERE permit_id = $1", permitted.permit_id
        )
        await rogue.present(permitted)
        assert row is not None
        # As if whoever kept it had looked for the answer just before that was committed.
        await connection.execute(
            "INSERT INTO notices VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", *row.values()
        )

    await turn(scene, row["token_expires"] + timedelta(minutes=2))

    assert await entries(scene, permitted.permit_id) == [0, 0]
    assert await kept(scene, permitted.permit_id) is None


async def test_two_workers_at_once_record_each_notice_once(scene: Scene, rogue: Rogue) -> None:
    permits = [one.permit_id for one in await several(rogue, 4)]
    await scene.tell_notices()
    at = max([await expiry(scene, permit_id) for permit_id in permits]) + timedelta(minutes=2)
    ahead = (at - scene.clock.now()).total_seconds()

    async with scene.another_worker(cast.NAGAOKA) as other, asyncio.TaskGroup() as group:
        lock = "SELECT FROM notices FOR UPDATE"
        async with scene.rows_held(cast.NAGAOKA, lock, until_waiting=2):
            for one in (scene.city, other):
                group.create_task(Notices(later(one.context, seconds=ahead)).turn())

    assert [await entries(scene, permit_id) for permit_id in permits] == [[1, 0]] * 4


async def several(rogue: Rogue, count: int) -> list[Permitted]:
    return await rogue.permits([await rogue.ask() for _ in range(count)])


async def test_the_record_says_what_was_asked_and_when(scene: Scene, rogue: Rogue) -> None:
    permitted = await rogue.permitted()
    await scene.tell_notices()
    due = await expiry(scene, permitted.permit_id) + timedelta(minutes=2)

    await turn(scene, due)

    async with scene.city.context.database.read() as connection:
        leaf = await connection.fetchval(
            "SELECT leaf FROM log_entries WHERE kind = 'notified' AND permit_id = $1::uuid",
            permitted.permit_id,
        )
    public = msgspec.json.decode(leaf)
    granted = permitted.granted.permit
    assert public["requested_at"] == granted.requested_at
    assert public["information"]["items"] == list(granted.information.items)
    assert public["inquirer"] == cast.GUNMA_UNION
