"""Inquiries whose time cannot be: their answers are kept under no day."""

from datetime import timedelta

from gateway.core.inquiries import INQUIRY_AGE_MAX
from tests.integration.core.answers import a_person, reason_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import Member, World, the_directory_is_fresh


async def test_an_inquiry_older_than_a_week_is_refused(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    world.clock.ahead += INQUIRY_AGE_MAX + timedelta(days=1)
    await the_directory_is_fresh(world, union)

    answer = await union.permits(asked)

    assert reason_of(answer) == "inquiry-too-old"


async def test_an_inquiry_from_the_future_is_refused(
    world: World, core: Core, union: Member
) -> None:
    world.clock.ahead += timedelta(hours=11)
    asked = await union.ask((await a_person(core))[1])
    world.clock.ahead -= timedelta(hours=11)

    try:
        async with core.adds(refusal=1):
            answer = await union.permits(asked)
    finally:
        # Before that time the inquirer can record nothing more.
        world.clock.ahead += timedelta(hours=11)

    assert reason_of(answer) == "inquiry-from-the-future"
