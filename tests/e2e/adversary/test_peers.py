"""Peers that are down, slow, break off, or answer what is no answer: nothing is taken for one."""

import asyncio
import io
import ssl
from dataclasses import replace

import msgspec
import pytest
from aiohttp import web

from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.outbound import peers as outbound
from gateway.outbound.errors import (
    MessageRefusedError,
    PeerNotAuthenticError,
    PeerProtocolError,
    PeerUnavailableError,
)
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.fields import BODY_BYTES_MAX
from gateway.wire.network import (
    ProvisionAnswer,
    ProvisionResult,
    ProvisionsAnswer,
    ProvisionsRequest,
)
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, adds
from tests.e2e.adversary.servers import Manners, served
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order
from tests.tools.ports import HOST, free_port

NO_MATTER = ProvisionsRequest(tokens=["x"], groups=[], items=[])


async def ask(union: Rogue) -> ProvisionsAnswer:
    return await union.context.peers.post(cast.NAGAOKA, PROVISIONS, NO_MATTER, ProvisionsAnswer)


def answers(
    status: int = 200,
    body: bytes = b"{}",
    content_type: str = "application/json",
    **headers: str,
) -> Manners:
    async def manners(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status,
            body=io.BytesIO(body),
            headers={"Content-Type": content_type}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    return manners


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Begin an answer and close the connection in the middle of it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = 1_000
    await response.prepare(request)
    await response.write(b'{"groups": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Read the question and close the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def says_nothing(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def drips(request: web.Request) -> web.StreamResponse:
    """Answer one byte now and then, for ever."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


async def test_a_peer_that_is_down_is_unavailable(union: Rogue) -> None:
    peers = union.context.peers
    route_of, port = peers._route_of, free_port()
    peers._route_of = lambda name: replace(
        route_of(name), url=f"https://{HOST}:{port}", version=port
    )
    try:
        with pytest.raises(PeerUnavailableError):
            await ask(union)
    finally:
        peers._route_of = route_of


@pytest.mark.parametrize("manners", [breaks_off, hangs_up, says_nothing, drips])
async def test_a_peer_that_breaks_off_or_is_slow_is_unavailable(
    network: Network, union: Rogue, manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "ANSWER_S", 0.4)

    async with served(network, union, in_place_of=cast.NAGAOKA, manners=manners) as server:
        with pytest.raises(PeerUnavailableError):
            await ask(union)

    assert server.requests == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_busy_or_broken_peer_is_asked_again_later(
    network: Network, union: Rogue, status: int
) -> None:
    manners = answers(status, b"<html>", "text/html", Retry_After="7")

    async with served(network, union, in_place_of=cast.NAGAOKA, manners=manners):
        with pytest.raises(PeerUnavailableError) as unavailable:
            await ask(union)

    assert unavailable.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("asked", "taken"), [("-1", 0), ("1e9", 0), ("99999999", 60), ("soon", 0), ("٣", 0)]
)
async def test_nobody_is_put_off_for_ever(
    network: Network, union: Rogue, asked: str, taken: int
) -> None:
    manners = answers(503, b"", Retry_After=asked)

    async with served(network, union, in_place_of=cast.NAGAOKA, manners=manners):
        with pytest.raises(PeerUnavailableError) as unavailable:
            await ask(union)

    assert unavailable.value.retry_after_s == taken


GARBAGE: dict[str, Manners] = {
    "nothing": answers(body=b""),
    "HTML": answers(body=b"<html></html>", content_type="text/html"),
    "another shape": answers(body=b'{"groups": 1}'),
    "an unknown member": answers(body=b'{"groups":[],"keys":[],"results":[],"more":1}'),
    "a member twice": answers(body=b'{"groups":[],"groups":[],"keys":[],"results":[]}'),
    "U+0000": answers(body=b'{"groups":"\\u0000","keys":[],"results":[]}'),
    "deeply nested": answers(body=b'{"groups":' + b"[" * 5_000),
    "over 8 MiB": answers(body=b" " * (BODY_BYTES_MAX + 1)),
    "a redirect": answers(307, b"", Location="https://127.0.0.1/elsewhere"),
    "another success": answers(204, b""),
    "a 4xx without a problem": answers(404, b"<html></html>", "text/html"),
    "a 4xx of 100 KiB": answers(422, b" " * 100 * 1024),
    "compressed": answers(body=b"\x1f\x8b\x08", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_garbage_is_no_answer(network: Network, union: Rogue, what: str) -> None:
    async with served(network, union, in_place_of=cast.NAGAOKA, manners=GARBAGE[what]) as server:
        with pytest.raises(PeerProtocolError):
            await ask(union)

    assert server.requests == 1


async def test_an_answer_without_end_is_broken_off_and_not_held(
    network: Network, union: Rogue
) -> None:
    """What is too long is refused while it comes, not when all of it is there."""
    chunk, most = b" " * 65_536, 8 * BODY_BYTES_MAX
    written: list[int] = []

    async def pours(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while sum(written) < most:
            await response.write(chunk)
            written.append(len(chunk))
            await asyncio.sleep(0)  # server and client share a loop
        return response

    async with served(network, union, in_place_of=cast.NAGAOKA, manners=pours):
        with pytest.raises(PeerProtocolError):
            await ask(union)
        sent = sum(written)

    assert sent < most


async def test_a_message_of_megabytes_goes_out_whole(network: Network, union: Rogue) -> None:
    lengths: list[tuple[int | None, int]] = []

    async def measures(request: web.Request) -> web.StreamResponse:
        lengths.append((request.content_length, len(await request.read())))
        return web.Response(status=503)

    large = ProvisionsRequest(tokens=["x" * 500_000] * 16, groups=[], items=[])
    async with served(network, union, in_place_of=cast.NAGAOKA, manners=measures):
        with pytest.raises(PeerUnavailableError):
            await union.context.peers.post(cast.NAGAOKA, PROVISIONS, large, ProvisionsAnswer)

    assert lengths == [(len(encode_json(large)),) * 2]


async def test_a_problem_is_read_as_one(network: Network, union: Rogue) -> None:
    body = b'{"type":"statement-invalid","title":"x","status":422,"reason":"bad-note","new":1}'
    manners = answers(422, body, "application/problem+json")

    async with served(network, union, in_place_of=cast.NAGAOKA, manners=manners):
        with pytest.raises(MessageRefusedError) as refused:
            await ask(union)

    assert refused.value.refusal.reason == "bad-note"


async def test_a_server_that_speaks_no_tls_is_not_the_peer(union: Rogue) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, HOST, port := free_port())
    peers = union.context.peers
    route_of = peers._route_of
    peers._route_of = lambda name: replace(
        route_of(name), url=f"https://{HOST}:{port}", version=port
    )
    try:
        with pytest.raises((PeerNotAuthenticError, PeerUnavailableError)):
            await ask(union)
    finally:
        peers._route_of = route_of
        server.close()
        await server.wait_closed()


async def test_tls_below_1_3_is_not_spoken(union: Rogue) -> None:
    context = union.client_context(cast.NAGAOKA)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


async def test_an_answer_lost_on_the_way_is_asked_for_again_and_is_the_same(
    network: Network, union: Rogue
) -> None:
    """§7: the provider committed and its answer was lost: one provision, one receipt."""
    number = await union.person()
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    provide = network.gateway(cast.NAGAOKA).flows.provide
    sent: list[bytes] = []

    async def loses_the_first(request: web.Request) -> web.StreamResponse:
        asked = decode_json(await request.read(), ProvisionsRequest)
        reply = await provide.take(cast.GUNMA_UNION, asked)
        results = [
            ProvisionResult(result=one) for one in reply.results if isinstance(one, ProvisionAnswer)
        ]
        answer = ProvisionsAnswer(groups=reply.groups, keys=reply.keys, results=results)
        sent.append(encode_json(msgspec.structs.replace(answer, groups=[])))
        if len(sent) == 1:
            return await breaks_off(request)
        return web.Response(body=encode_json(answer), content_type="application/json")

    async with (
        adds(network, cast.NAGAOKA, provision=1),
        adds(network, cast.GUNMA_UNION, inquiry=1, receipt=1),
        served(network, union, in_place_of=cast.NAGAOKA, manners=loses_the_first),
    ):
        inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
        await inquire.wait(inquiry_id, 10)
    view = await inquire.find(inquiry_id, REGISTRATION)

    assert view.row.state is InquiryState.PROVIDED
    assert len(sent) == 2
    assert sent[0] == sent[1]
