"""Permits brought to one worker or another of a provider, and what comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.gateway_role import Gateway
from gateway.app.listener import Listener
from gateway.demo import cast
from gateway.flows.statements import received
from gateway.records.entry import parse_entry
from gateway.records.kinds import Provision
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.network import ProvisionsAnswer, ProvisionsRequest
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.resilience.scene import PROVISIONS, Scene
from tests.tools.ports import HOST


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[int]:
    """Serve the network listener of another worker on a port of its own."""
    spec = next(one for one in gateway.role.listeners if one.name == "network")
    listener = Listener(spec, port=0, drain_s=1.0)
    await listener.start()
    try:
        yield listener.address[1]
    finally:
        await listener.stop()


async def present_raw(rogue: Rogue, request: ProvisionsRequest, port: int) -> tuple[int, bytes]:
    """Bring a message to whichever worker listens on this port; return status and body."""
    async with rogue.session.post(
        f"https://{HOST}:{port}{PROVISIONS}",
        data=encode_json(request),
        headers={"Content-Type": "application/json"},
        ssl=rogue.client_context(cast.NAGAOKA),
    ) as response:
        return response.status, await response.read()


async def present(rogue: Rogue, request: ProvisionsRequest, port: int) -> ProvisionsAnswer:
    """Bring a message to a worker that answers it."""
    status, raw = await present_raw(rogue, request, port)
    assert status == 200, raw
    return decode_json(raw, ProvisionsAnswer)


def said(rogue: Rogue, answer: ProvisionsAnswer) -> tuple[bytes, Provision]:
    """Return the verified entry of the one answer."""
    statements = received(rogue.context.trust, answer.groups, sender=cast.NAGAOKA)
    result = answer.results[0].result
    assert result is not None, answer.results[0].problem
    statement = statements.at(result.group, result.index)
    public = parse_entry(statement.entry.raw).public
    assert isinstance(public, Provision)
    return statement.entry.raw, public


def first_port(scene: Scene) -> int:
    url = scene.union.context.trust.directory.organisation(cast.NAGAOKA).url
    return int(url.rpartition(":")[2])


def sealed_bytes(answer: ProvisionsAnswer) -> tuple[object, ...]:
    result = answer.results[0].result
    assert result is not None
    assert result.sealed is not None
    return result.sealed.n, result.sealed.ct, answer.keys[result.sealed.key]
