"""What was acknowledged binds: a flag or switch set between decision and commit (PROTOCOL §4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.demo import cast
from gateway.flows.record_types import new_id
from gateway.storage.database import Connection
from tests.e2e.adversary.rogue import HOLD, Permitted, Reply, Rogue, adds
from tests.e2e.adversary.test_swaps import provision_of
from tests.e2e.parties import Network


@asynccontextmanager
async def changed_before_the_commit(
    network: Network, union: Rogue, permitted: Permitted
) -> AsyncIterator[tuple[Connection, "asyncio.Task[Reply]"]]:
    """Hold the gate as another worker does, let 長岡市 decide and come to it, then let go."""
    context = network.gateway(cast.NAGAOKA).context
    await context.gate.fresh()
    async with context.database.transaction() as connection:
        await connection.execute("SELECT gate_change()")
        task = asyncio.ensure_future(union.present(permitted))
        async with context.database.read() as watching, asyncio.timeout(10):
            while not await watching.fetchval(
                "SELECT count(*) FROM pg_locks"
                " WHERE locktype = 'advisory' AND NOT granted AND classid = 1"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ):
                await asyncio.sleep(0.01)
        yield connection, task


async def test_a_flag_set_between_decision_and_commit_withholds_the_answer(
    network: Network, union: Rogue
) -> None:
    number = await union.person()
    permitted = await union.permitted(number)
    subject = network.gateway(cast.NAGAOKA).context.vault.subject(number)

    async with adds(network, cast.NAGAOKA, provision=1):
        async with changed_before_the_commit(network, union, permitted) as (connection, task):
            await connection.execute(
                "INSERT INTO subject_flags (flag_id, subject, kind, reason, maker, maker_kind)"
                " VALUES ($1, $2, $3, 'protection', 'carol', 'staff')",
                new_id(),
                subject,
                HOLD,
            )
        reply = await task

    assert provision_of(reply).outcome == "withheld"
    assert reply.provisions.results[0].result.sealed is None  # type: ignore[union-attr]  # answered
    assert reply.provisions.keys == []


async def test_a_switch_set_between_decision_and_commit_denies_the_answer(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()
    switch = new_id()

    try:
        async with adds(network, cast.NAGAOKA, provision=1):
            async with changed_before_the_commit(network, union, permitted) as (connection, task):
                await connection.execute(
                    "INSERT INTO stop_switches (switch_id, by, value, reason, maker)"
                    " VALUES ($1, 'all', '', 'incident', 'carol')",
                    switch,
                )
            reply = await task
    finally:
        await lifted(network, switch)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "stopped")


async def test_a_change_that_changes_nothing_here_only_costs_a_second_look(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()

    async with adds(network, cast.NAGAOKA, provision=1):
        async with changed_before_the_commit(network, union, permitted) as (_, task):
            pass
        reply = await task

    assert provision_of(reply).outcome == "provided"


async def test_what_was_acknowledged_before_binds_every_later_answer(
    union: Rogue,
) -> None:
    """The permit is older than the flag, the answer is not."""
    number = await union.person()
    permitted = await union.permitted(number)
    await union.flag(number)

    reply = await union.present(permitted)

    assert provision_of(reply).outcome == "withheld"


async def lifted(network: Network, switch: str) -> None:
    context = network.gateway(cast.NAGAOKA).context
    async with context.database.transaction() as connection:
        await connection.execute("SELECT gate_change()")
        await connection.execute(
            "UPDATE stop_switches SET lifted_at = now() WHERE switch_id = $1", switch
        )
    await context.gate.fresh()
