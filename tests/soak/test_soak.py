"""The soak in short: a few kills under load, judged as the long one is (`make soak`)."""

import os
import signal
from collections.abc import AsyncIterator

import pytest

from gateway.client.errors import ProblemError
from gateway.demo.offices import UNION_SYSTEM
from tests.conftest import memory_folder
from tests.e2e.resilience.scene import until
from tests.soak.evidence import Books
from tests.soak.faults import postmaster, workers
from tests.soak.ground import UNION, Ground, laid
from tests.soak.report import Report
from tests.soak.rounds import Shape, Soak

pytestmark = pytest.mark.timeout(300)  # five parties are laid first

SEED = 377  # database and worker of one party, then lost answers and a database
ROUNDS = 2
SHORT = Shape(seconds=3.0, faults=2, askers=4, held=1, settle_s=45.0)


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with laid(people=30, approvers=2, workers=1, place=memory_folder()) as running:
        yield running


async def test_whoever_is_killed_nothing_is_lost_forked_or_done_twice(ground: Ground) -> None:
    soak, report = Soak(ground=ground, books=Books(ground=ground), seed=SEED), Report()
    told = []
    for number in range(1, ROUNDS + 1):
        told += report.lines(await soak.round(number, SHORT), ground)

    assert report.is_good, "\n".join(told)
    assert report.kills.total() >= ROUNDS
    assert report.acknowledged > 10 * ROUNDS


async def test_a_gateway_without_its_database_says_not_now_and_comes_back(ground: Ground) -> None:
    running, client = ground.party(UNION), ground.clients[UNION_SYSTEM]
    told: set[tuple[int, str]] = set()

    async def answers() -> bool:
        try:
            await client.transport.call("GET", "/v1/inquiries?limit=1")
        except ProblemError as error:
            told.add((error.problem.status, error.problem.type))
            return False
        return True

    async def refuses() -> bool:
        # What the killed server had begun may still answer for a moment.
        return not await answers()

    await until(answers, seconds=60)
    before = workers(running)
    for pid in postmaster(running):
        os.kill(pid, signal.SIGKILL)
    await until(refuses, seconds=60)
    await until(answers, seconds=60)

    assert workers(running) == before  # they live through it
    assert told == {(503, "unavailable")}
