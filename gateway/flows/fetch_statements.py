"""What another party stated about exchanges of ours, fetched and verified (PROTOCOL §5)."""

from collections.abc import Sequence
from typing import Final

from gateway.flows.context import Context
from gateway.flows.statements import Statement, StatementInvalidError, received
from gateway.outbound.errors import PeerProtocolError
from gateway.wire.lookups import StatementsFetchAnswer, StatementsFetchRequest, StatementWanted

PATH: Final = "/v1/statements:fetch"
PERMITS_AT_ONCE: Final = 64
NOT_FOUND: Final = "not-found"


async def fetch_statements_of(
    context: Context, party: str, permit_ids: Sequence[str]
) -> dict[str, list[Statement]]:
    """Return what a party stated about each permit; none about what it says it knows nothing of.

    Raises:
        StatementInvalidError: what it gives is not what it would have to have recorded.
        PeerProtocolError: the answer is not one to the question, and what `Peers.post` raises.
    """
    found: dict[str, list[Statement]] = {}
    wanted = list(dict.fromkeys(permit_ids))
    for start in range(0, len(wanted), PERMITS_AT_ONCE):
        some = wanted[start : start + PERMITS_AT_ONCE]
        request = StatementsFetchRequest(items=[StatementWanted(permit_id=one) for one in some])
        answer = await context.peers.post(party, PATH, request, StatementsFetchAnswer)
        found |= _read(context, party, some, answer)
    return found


def _read(
    context: Context, party: str, permit_ids: Sequence[str], answer: StatementsFetchAnswer
) -> dict[str, list[Statement]]:
    if len(answer.results) != len(permit_ids):
        raise PeerProtocolError("statements: another number of results")
    statements = received(context.trust, answer.groups, sender=party)
    found: dict[str, list[Statement]] = {}
    for permit_id, result in zip(permit_ids, answer.results, strict=True):
        if result.result is None:
            if result.problem is None or result.problem.type != NOT_FOUND:
                raise PeerProtocolError("statements: neither given nor not there")
            found[permit_id] = []
            continue
        given = [statements.at(one.group, one.index) for one in result.result.statements]
        if any(getattr(one.entry.public, "permit_id", None) != permit_id for one in given):
            raise StatementInvalidError("statements: of another permit", reason="other-permit")
        found[permit_id] = given
    return found
