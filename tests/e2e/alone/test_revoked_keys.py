"""A stolen key of any kind is revoked: the next exchange refuses it, and work goes on.

TLS and log keys of a gateway are in `test_rotation.py`; here are the other kinds, and the core's.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from certs.errors import DirectoryError
from certs.network_spec import NetworkSpec
from certs.own_keys import CertificateFiles
from certs.rotation import KeyKind, renew_permit_key
from certs.tls import network_client_context, network_server_context
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from gateway.flows import witnessing
from gateway.flows.context import Context
from gateway.flows.release import NotReleasableError
from gateway.flows.witness_calls import WitnessCalls
from gateway.outbound.errors import PeerProtocolError, PeerUnavailableError
from gateway.records.note import cosign, parse_note
from gateway.records.proof_files import WitnessRequest
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, core_services
from tests.e2e.adversary.test_deliveries import ALICE, BOB, DELIVERIES, held, state_of
from tests.e2e.adversary.test_swaps import provision_of
from tests.e2e.alone.test_rotation import Operators, Trickle, keys_of
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.witnesses.scene import own_slot, write_entry

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE
WELL = (InquiryState.PROVIDED, None)


def with_a_witness(spec: NetworkSpec) -> NetworkSpec:
    """Let the core cosign the city's records."""
    return replace(
        spec,
        organisations=tuple(
            replace(one, witnesses=(CORE,)) if one.name == NAGAOKA else one
            for one in spec.organisations
        ),
    )


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """The core, an inquirer and a provider, with all that runs by the clock."""
    async with whole_network(
        new_database, gateways=(UNION, NAGAOKA), change=with_a_witness
    ) as running:
        async with asyncio.timeout(60):
            while running.gateway(NAGAOKA).context.witnesses.obstacles(datetime.now(UTC)):
                await asyncio.sleep(0.1)
        yield running


@pytest.fixture
async def union(network: Network, people: People) -> AsyncIterator[Rogue]:
    """The union's keys, log and certificate in the hands of the test."""
    async with Rogue.of(network, people, UNION) as rogue:
        yield rogue


@pytest.fixture
def operators(network: Network) -> Operators:
    return Operators(network=network)


@pytest.fixture
def trickle(network: Network, people: People) -> Trickle:
    return Trickle(network=network, people=people)


async def test_a_token_under_a_revoked_permit_key_opens_nothing_any_more(
    network: Network, union: Rogue, operators: Operators, trickle: Trickle
) -> None:
    """Also one whose signature the provider has verified before."""
    first, second = await union.permits([await union.ask(), await union.ask()])
    assert first.granted.token == second.granted.token
    assert (await union.present(first)).provisions.results[0].problem is None
    (stolen,) = union.context.trust.directory.core.permit_keys

    renew_permit_key(network.folder / "network", now=datetime.now(UTC), revoke=True)
    await operators.followed()
    refused = (await union.present(second)).item_problem()

    assert refused[1:] == ("permit-refused", "token-key-unknown")
    city = network.gateway(NAGAOKA).context.trust.directory
    assert stolen.kid not in city.permit_keys_at(datetime.now(UTC))
    # The core says the same again under its new key, for both: a permit is no new act.
    again = await union.permits([second.asked])
    assert again[0].permit_id == second.permit_id
    assert (await union.present(*again)).provisions.results[0].problem is None
    assert await trickle.ask() == WELL


async def test_nothing_is_sealed_to_a_revoked_sealing_key(
    network: Network, union: Rogue, operators: Operators, trickle: Trickle
) -> None:
    """Not even where the inquiry that names it was permitted before."""
    permitted = await union.permitted()
    stolen = permitted.inquiry.reply_key

    await operators.renew(KeyKind.SEALING, of=(UNION,), revoke=True)
    reply = await union.present(permitted)

    (result,) = reply.provisions.results
    assert result.result is not None
    assert result.result.sealed is None
    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "reply-key")
    city = network.gateway(NAGAOKA).context.trust
    with pytest.raises(DirectoryError) as revoked:
        city.directory.sealing_key(UNION, stolen, at=datetime.now(UTC))
    assert revoked.value.reason == "sealing-key-revoked"
    assert union.context.trust.reply_key() != stolen
    assert await trickle.ask() == WELL


async def test_a_held_answer_is_neither_released_nor_delivered_to_a_revoked_key(
    network: Network,
    union: Rogue,
    operators: Operators,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting, released = [await held(network, union) for _ in range(2)]
    gateway = network.gateway(NAGAOKA)
    release, honest = gateway.flows.release, gateway.context.peers.post
    rows = {
        row.permit_id: row
        for row in await release.page(state=HoldState.WAITING, before=None, limit=50)
    }

    async def unreachable(organisation: str, path: str, *rest: Any) -> Any:
        if path == DELIVERIES:
            raise PeerUnavailableError("down")
        return await honest(organisation, path, *rest)

    with monkeypatch.context() as down:
        down.setattr(gateway.context.peers, "post", unreachable)
        row = rows[released.permit_id]
        preview = await release.show(row.hold_id)
        for decider in (ALICE, BOB):
            await release.approve(row.hold_id, decider, preview.digest)
        await operators.renew(KeyKind.SEALING, of=(UNION,), revoke=True)
    async with gateway.context.database.read() as connection:
        await connection.execute("UPDATE outbox SET next_attempt_at = now()")

    with pytest.raises(NotReleasableError) as refused:
        await release.show(rows[waiting.permit_id].hold_id)
    assert refused.value.reason == "reply-key"
    async with asyncio.timeout(30):
        while released.permit_id not in {
            row.permit_id
            for row in await release.page(state=HoldState.STOPPED, before=None, limit=50)
        }:
            await asyncio.sleep(0.1)
    assert await state_of(network, released) is InquiryState.WITHHELD


async def test_nothing_is_sealed_to_a_providers_or_the_cores_revoked_key(
    network: Network, operators: Operators, trickle: Trickle
) -> None:
    before = {name: keys_of(network, name).key_set.newest_sealing for name in (NAGAOKA, CORE)}

    async with trickle.flowing():
        await trickle.more(1)
        await operators.renew(KeyKind.SEALING, of=(NAGAOKA, CORE), revoke=True)
        await trickle.more(2)

    assert set(trickle.states) == {WELL}
    trust = network.gateway(UNION).context.trust
    for name, stolen in before.items():
        assert trust.sealing_public_key(name) != stolen.public


async def test_a_line_by_a_revoked_witness_key_counts_for_nothing(
    network: Network,
    operators: Operators,
    trickle: Trickle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever time it says: the revoking set begins before anything that is believed now."""
    city = network.gateway(NAGAOKA).context
    stolen = keys_of(network, CORE).witness
    calls = WitnessCalls(trust=city.trust, peers=city.peers, clock=city.clock)

    async def asked() -> object:
        note = parse_note(await city.writer.checkpoint(own_slot(city)))
        held = (await calls.newest(own_slot(city)))[CORE].size  # type: ignore[index]  # it answers
        assert held == note.checkpoint.size
        return await calls.submit(CORE, WitnessRequest(old_size=held, proof=(), note=note))

    await write_entry(city)
    await cosigned_up_to_date(city)
    assert await asked()
    await operators.renew(KeyKind.WITNESS, of=(CORE,), revoke=True)
    with monkeypatch.context() as thief:
        for ago in (timedelta(0), timedelta(seconds=100)):
            thief.setattr(
                witnessing,
                "cosign",
                lambda checkpoint, _signer, ago=ago, **how: cosign(
                    checkpoint,
                    stolen,
                    name=how["name"],
                    time=how["time"] - int(ago.total_seconds()),
                ),
            )
            with pytest.raises(PeerProtocolError, match="log-line-missing"):
                await asked()

    assert await asked()
    assert await trickle.ask() == WELL
    await cosigned_up_to_date(city)


async def cosigned_up_to_date(context: Context) -> None:
    """Wait until everything of a party is cosigned, as its own task sees to."""
    slot = own_slot(context)
    calls = WitnessCalls(trust=context.trust, peers=context.peers, clock=context.clock)
    async with asyncio.timeout(30):
        while True:
            size = parse_note(await context.writer.checkpoint(slot)).checkpoint.size
            held = await calls.newest(slot)
            if held and held[CORE].size == size:
                return
            await asyncio.sleep(0.2)


async def test_the_cores_stolen_certificate_gives_way_to_its_spare_at_once(
    network: Network, operators: Operators, trickle: Trickle
) -> None:
    """Nobody is left behind: whoever has not heard of it yet pins the spare already."""
    city, union = (network.gateway(name).context.trust for name in (NAGAOKA, UNION))
    stolen = keys_of(network, CORE).network_certificate
    used, spare = city.directory.core.key_sets[-1].tls[:2]
    as_core = network_client_context(stolen, city.directory.certificates(NAGAOKA))
    url = city.directory.organisation(NAGAOKA).url + PROVISIONS

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=as_core)) as thief:
        async with thief.post(url, data=b"{}"):
            pass  # let in as the core
        async with trickle.flowing():
            await trickle.more(1)
            await operators.renew(KeyKind.TLS, of=(CORE,), revoke=True)
            await trickle.more(2)
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await thief.post(url, data=b"{}")

    core = core_services(network).permits._context.trust
    assert keys_of(network, CORE).key_set.tls[0] == spare
    assert core.network_certificate.load().certificate.not_valid_after_utc == spare.not_after
    for trust in (city, union):
        assert used not in trust.directory.certificates(CORE)
        with pytest.raises(ssl.SSLError):
            await fetched_from_an_impostor(network, stolen, trust_of=UNION)
    assert set(trickle.states) == {WELL}
    # And once more: the set that revoked lists another spare.
    await operators.renew(KeyKind.TLS, of=(CORE,), revoke=True)
    assert await trickle.ask() == WELL


async def fetched_from_an_impostor(
    network: Network, stolen: CertificateFiles, *, trust_of: str
) -> None:
    """Connect as a party would to the core, where somebody serves with the stolen certificate."""
    trust = network.gateway(trust_of).context.trust
    serving = network_server_context(stolen, trust.directory.all_certificates())
    asking = network_client_context(trust.network_certificate, trust.directory.certificates(CORE))
    async with listening(serving) as port:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=asking, server_hostname="127.0.0.1"
        )
        writer.close()


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
