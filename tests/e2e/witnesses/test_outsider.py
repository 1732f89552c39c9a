"""`sekisho witness`: an administration outside the network that cosigns, and does nothing else."""

import aiohttp
import pytest

from certs.tls import network_client_context
from gateway.app import witness_role
from gateway.app.roles import WorkerContext
from gateway.demo import cast
from gateway.errors import ConfigurationError
from gateway.storage.database import Database
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import (
    AUDIT_OFFICE,
    LiarsLog,
    context_of,
    cosign_all,
    cosigned_of,
    own_slot,
    post,
    write_entry,
)
from tests.e2e.witnesses.test_add_checkpoint import conflict
from tests.integration.core.world import WorldClock

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE


def worker_of(network: Network, name: str) -> WorkerContext:
    return network.parties[name].worker


async def test_a_gateway_is_cosigned_by_the_core_and_an_outsider(network: Network) -> None:
    union = context_of(network, UNION)
    await write_entry(union)

    await cosign_all(union)

    cosigned = await cosigned_of(union)
    slot = own_slot(union)
    assert cosigned[slot, AUDIT_OFFICE] == cosigned[slot, CORE] > 0
    assert {at for at, name in cosigned if name == AUDIT_OFFICE} == set(range(8))
    assert "not-cosigned" not in union.witnesses.obstacles(union.clock.now())
    assert network.parties[AUDIT_OFFICE].role.not_ready() == ()


async def test_an_outsider_keeps_the_proof_of_a_fork(network: Network, clock: WorldClock) -> None:
    union = context_of(network, UNION)
    await write_entry(union)
    await cosign_all(union)
    slot = own_slot(union)
    size = (await cosigned_of(union))[slot, AUDIT_OFFICE]
    log = LiarsLog(
        origin=f"{cast.NETWORK}/{UNION}/log/{slot}", signer=union.trust.keys.log, clock=clock
    )

    reply = await post(network, UNION, AUDIT_OFFICE, log.request(size, size))

    assert conflict(reply) == (409, "text/x.tlog.size", f"{size}\n".encode())
    database = await Database.open(worker_of(network, AUDIT_OFFICE).dsn, connections_max=1)
    async with database.read() as connection:
        row = await connection.fetchrow("SELECT held_note, other_note FROM forks_found")
        slots = await connection.fetchval("SELECT count(*) FROM log_slots")
    await database.close()
    assert row is not None
    assert row["held_note"].split("\n")[:2] == row["other_note"].split("\n")[:2]
    assert row["held_note"].split("\n")[2] != row["other_note"].split("\n")[2]
    assert slots == 0


async def test_an_outsider_cosigns_for_nobody_else_and_answers_nothing_else(
    network: Network, clock: WorldClock
) -> None:
    city = context_of(network, CITY)
    log = LiarsLog(origin=f"{cast.NETWORK}/{CITY}/log/0", signer=city.trust.keys.log, clock=clock)
    tls = network_client_context(
        city.trust.keys.network_certificate, city.trust.directory.certificates(AUDIT_OFFICE)
    )
    url = city.trust.directory.organisation(AUDIT_OFFICE).url

    reply = await post(network, CITY, AUDIT_OFFICE, log.request(0, 3))
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/permits", json={}, ssl=tls) as response,
    ):
        status = response.status

    assert reply.refusal == (404, "not-found", None)
    assert status == 404


async def test_only_who_is_listed_as_a_witness_runs_as_one(network: Network) -> None:
    with pytest.raises(ConfigurationError, match="no witness in the directory"):
        await witness_role.build(worker_of(network, CITY))
