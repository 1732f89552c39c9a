"""Who is who: by the pinned certificate and nothing else (PROTOCOL §1)."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import issue_network_certificate
from certs.own_keys import CertificateFiles
from gateway.demo import cast
from gateway.outbound.errors import PeerNotAuthenticError
from gateway.wire.network import NoticesRequest, ProvisionsAnswer
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, adds
from tests.e2e.adversary.routes import certificate_of, network_routes
from tests.e2e.adversary.servers import served
from tests.e2e.parties import Network


async def test_another_organisations_statements_are_not_ones_own(
    network: Network, union: Rogue, immigration: Rogue
) -> None:
    request = await union.provisions_request(await union.permitted())

    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        reply = await immigration.post(cast.NAGAOKA, PROVISIONS, request)

    assert reply.refusal == (422, "statement-invalid", "wrong-organisation")


async def test_only_the_callers_of_a_route_get_past_it(network: Network, union: Rogue) -> None:
    callers = (cast.CORE, cast.GUNMA_UNION, cast.RESIDENT_NETWORK)
    for route in network_routes(network, cast.NAGAOKA, cast.CORE):
        if route.operation["x-permission"] == "network:member" or route.method != "POST":
            continue
        for caller in callers:
            if caller == route.caller:
                continue
            own = union.client_context(route.party, certificate_of(network, caller))
            reply = await union.post(route.party, route.path, b"{}", context=own)
            assert reply.refusal == (403, "wrong-member", None), (route.path, caller)


async def test_a_gateway_cannot_notify_in_the_cores_name(union: Rogue) -> None:
    reply = await union.post(cast.NAGAOKA, "/v1/notices", NoticesRequest(keys=[], items=[]))

    assert reply.refusal == (403, "wrong-member", None)


async def test_a_certificate_that_nobody_listed_fails_in_the_handshake(
    network: Network, union: Rogue, tmp_path: Path
) -> None:
    """The stranger gives itself the union's own name; the key is what counts."""
    issued = issue_network_certificate(
        network=cast.NETWORK,
        organisation=cast.GUNMA_UNION,
        role="gateway",
        hosts=("127.0.0.1",),
        now=datetime.now(UTC),
    )
    own = CertificateFiles(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    own.store(issued.certificate, issued.key)
    assert issued.certificate.public_bytes(Encoding.DER)
    request = await union.provisions_request(await union.permitted())

    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await union.post(
                cast.NAGAOKA, PROVISIONS, request, context=union.client_context(cast.NAGAOKA, own)
            )


async def test_nobody_comes_in_without_a_certificate(union: Rogue) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE

    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await union.post(cast.NAGAOKA, PROVISIONS, b"{}", context=bare)


@pytest.mark.parametrize("name", [cast.IMMIGRATION, cast.GUNMA_UNION, cast.CORE])
async def test_another_organisations_certificate_on_the_right_port_is_not_the_provider(
    network: Network, union: Rogue, name: str
) -> None:
    """Every certificate names the same host; only the provider's own is its anchor."""
    request = await union.provisions_request(await union.permitted())

    async with served(network, union, in_place_of=cast.NAGAOKA, certificate=name) as server:
        with pytest.raises(PeerNotAuthenticError):
            await union.context.peers.post(cast.NAGAOKA, PROVISIONS, request, ProvisionsAnswer)

    assert server.requests == 0
