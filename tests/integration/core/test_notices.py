"""Core to provider: every permit is told within a second, and until it is acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from certs.sealing import unpack_code
from gateway.demo import cast
from gateway.flows.sealed import Openers
from gateway.http.members import CORE_ONLY
from gateway.http.routes import Call, Route
from gateway.records.entry import subject_commitment
from gateway.records.kinds import PermitGranted
from gateway.wire.network import (
    Acknowledged,
    AcknowledgedAnswer,
    AcknowledgedResult,
    Key,
    Notice,
    NoticesRequest,
)
from gateway.wire.problems import Problem
from tests.integration.core.answers import a_person
from tests.integration.core.conftest import Core
from tests.integration.core.world import NAGAOKA, UNION, Member, World, listening, public_of

pytestmark = pytest.mark.usefixtures("core")


@dataclass(kw_only=True)
class Provider:
    """長岡市's gateway as far as it takes notices in."""

    heard: dict[str, tuple[Notice, list[Key]]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    problems: int = 0

    async def take(self, body: NoticesRequest) -> AcknowledgedAnswer:
        results = []
        for item in body.items:
            self.heard[item.permit_id] = (item, body.keys)
            self.times[item.permit_id] = self.times.get(item.permit_id, 0) + 1
            if self.problems:
                self.problems -= 1
                problem = Problem(type="unavailable", title="Not now", status=503)
                results.append(AcknowledgedResult(problem=problem))
            else:
                acknowledged = Acknowledged(permit_id=item.permit_id)
                results.append(AcknowledgedResult(result=acknowledged))
        return AcknowledgedAnswer(results=results)

    async def notice(self, permit_id: str, *, times: int = 1) -> tuple[Notice, list[Key]]:
        while self.times.get(permit_id, 0) < times:
            await asyncio.sleep(0.02)
        return self.heard[permit_id]


@pytest.fixture(scope="module")
async def provider(world: World, nagaoka: Member) -> AsyncIterator[Provider]:
    """長岡市's network listener, for the core alone."""
    taking = Provider()

    async def notices(call: Call[Provider, object], body: NoticesRequest) -> AcknowledgedAnswer:
        return await call.services.take(body)

    route = Route(
        method="POST",
        path="/v1/notices",
        handler=notices,
        permission=CORE_ONLY,
        summary="Take notices",
        request=NoticesRequest,
        response=AcknowledgedAnswer,
    )
    async with listening(nagaoka, world.ports[NAGAOKA], route, taking):
        yield taking


async def a_permit(core: Core, union: Member) -> tuple[bytes, PermitGranted]:
    person, code = await a_person(core)
    (statement,) = union.statements(await union.permits(await union.ask(code)))
    granted = public_of(statement)
    assert isinstance(granted, PermitGranted)
    return person, granted


async def test_the_provider_hears_what_the_permit_says(
    core: Core, union: Member, nagaoka: Member, provider: Provider
) -> None:
    person, granted = await a_permit(core, union)

    async with asyncio.timeout(20):
        notice, keys = await provider.notice(granted.permit_id)

    assert (notice.inquirer, notice.inquirer_body) == (UNION, cast.UNION_HEAD)
    for name in (
        *("provider_body", "department", "affair", "procedure", "citation", "law_day"),
        *("requested_at", "request_expires", "non_disclosure"),
    ):
        assert getattr(notice, name) == getattr(granted, name), name
    assert notice.items == list(granted.information.items)
    openers = Openers(nagaoka.context.trust, keys, sender=cast.CORE, purpose="notice")
    plaintext = openers.open(notice.code, binding=None, permit_id=granted.permit_id)
    salt, raw = unpack_code(plaintext)
    assert raw == core.code(person, NAGAOKA).raw
    assert subject_commitment(salt, raw).hex() == granted.subject_p


async def test_a_notice_is_told_again_until_it_is_acknowledged_and_then_forgotten(
    core: Core, union: Member, provider: Provider
) -> None:
    provider.problems = 1
    _, granted = await a_permit(core, union)

    async with asyncio.timeout(20):
        await provider.notice(granted.permit_id, times=2)

    async with asyncio.timeout(20), core.database.read() as connection:
        while await connection.fetchval(
            "SELECT true FROM outbox WHERE body ->> 'permit_id' = $1", granted.permit_id
        ):
            await asyncio.sleep(0.05)
    assert provider.times[granted.permit_id] == 2
