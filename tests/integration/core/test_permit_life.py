"""How long a permit lives, and how often one statement is answered (PROTOCOL §3 *Once*)."""

from datetime import timedelta

import pytest

from tests.integration.core.answers import a_person, reason_of, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import (
    REQUEST_DAYS,
    Member,
    World,
    the_directory_is_fresh,
)


@pytest.fixture(autouse=True)
async def _fresh(world: World, core: Core, union: Member) -> None:
    assert core is not None
    await the_directory_is_fresh(world, union)


async def test_the_same_statement_has_the_same_permit_while_its_token_lives(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    async with core.adds(permit=1):
        first = await union.permits(asked)
        world.clock.ahead += timedelta(minutes=4)
        again = await union.permits(asked)

    tokens = [token_of(world, union, answer.tokens[0]) for answer in (first, again)]
    assert tokens[0].permits[0].permit_id == tokens[1].permits[0].permit_id
    assert tokens[0].exp == tokens[1].exp


async def test_after_exp_the_same_permit_stands_in_a_new_token_without_an_entry(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    async with core.adds(permit=1, refusal=0):
        first = token_of(world, union, (await union.permits(asked)).tokens[0])
        world.clock.ahead += timedelta(seconds=301)
        again = token_of(world, union, (await union.permits(asked)).tokens[0])

    for name in ("permit_id", "requested_at", "request_expires", "permit_leaf", "subject_p"):
        assert getattr(again.permits[0], name) == getattr(first.permits[0], name), name
    assert again.exp >= first.exp + 300


async def test_after_request_expires_nothing_is_granted_any_more(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    request = await union.permits_request(asked)
    await union.send_permits(request)
    # Long enough for the request, short enough for the directory, which the core renews.
    world.clock.ahead += timedelta(days=REQUEST_DAYS, seconds=-5)
    await the_directory_is_fresh(world, union)
    world.clock.ahead += timedelta(seconds=10)

    answer = await union.send_permits(request)

    assert reason_of(answer) == "request-expired"
    assert answer.tokens == []
