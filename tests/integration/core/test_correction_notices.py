"""`POST /v1/correction-notices`: a correction of an own exchange is noted once, with its mark."""

import pytest

from gateway.flows.proofs import prove
from gateway.flows.record_types import Recorded
from gateway.records.kinds import Correction
from gateway.storage.records import find_by_permit
from gateway.wire.lookups import CorrectionNotice, CorrectionNoticesRequest
from gateway.wire.network import AcknowledgedAnswer
from tests.integration.core.conftest import Core
from tests.integration.core.exchange import Exchange, exchange
from tests.integration.core.world import Member, parsed

__all__ = ["exchange"]  # a fixture


async def notify(member: Member, permit_id: str, recorded: Recorded) -> AcknowledgedAnswer:
    """Tell the core of a correction."""
    proven = await prove(member.context.writer, [recorded])
    place = proven.reference(recorded)
    item = CorrectionNotice(permit_id=permit_id, group=place.group, index=place.index)
    request = CorrectionNoticesRequest(groups=proven.groups, items=[item])
    return await member.context.peers.post(
        "core", "/v1/correction-notices", request, AcknowledgedAnswer
    )


async def test_a_correction_is_noted_once_however_often_it_is_told(
    core: Core, union: Member, exchange: Exchange
) -> None:
    permit_id = exchange.permit.permit_id
    recorded = await union.record("correction", {"of": exchange.asked.leaf, "permit_id": permit_id})

    async with core.adds(correction=1):
        answers = [await notify(union, permit_id, recorded) for _ in range(2)]

    assert all(answer.results[0].result is not None for answer in answers)


async def test_the_mark_that_a_correction_carries_is_kept(
    core: Core, union: Member, exchange: Exchange
) -> None:
    permit_id = exchange.permit.permit_id
    members = {"of": exchange.asked.leaf, "permit_id": permit_id, "non_disclosure": 1}
    recorded = await union.record("correction", members)

    await notify(union, permit_id, recorded)

    async with core.database.read() as connection:
        kept = parsed((await find_by_permit(connection, [permit_id]))[-1].leaf)
    assert isinstance(kept, Correction)
    assert (kept.of, kept.non_disclosure) == (recorded.leaf_hash.hex(), 1)


@pytest.mark.parametrize(
    ("kind", "told_of", "problem"),
    [
        ("correction", "0" * 32, ("statement-invalid", "other-permit")),
        ("rules-changed", None, ("statement-invalid", "other-kind")),
        ("correction", None, ("not-found", None)),
    ],
)
async def test_what_corrects_nothing_of_the_teller_is_refused(
    *,
    core: Core,
    nagaoka: Member,
    exchange: Exchange,
    kind: str,
    told_of: str | None,
    problem: tuple[str, str | None],
) -> None:
    permit_id = exchange.permit.permit_id if problem[0] != "not-found" else "1" * 32
    members = {"of": exchange.asked.leaf, "permit_id": permit_id} if kind == "correction" else {}

    async with core.adds(correction=0):
        answer = await notify(nagaoka, told_of or permit_id, await nagaoka.record(kind, members))

    refusal = answer.results[0].problem
    assert refusal is not None
    assert (refusal.type, refusal.reason) == problem
