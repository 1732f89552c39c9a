"""What the core has of the permits of our own inquiries: a look-up that changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from codes.canonical import instant
from gateway.flows.context import Context
from gateway.flows.late_answers import CLOCKS_DIFFER
from gateway.flows.reconcile_network import PATH
from gateway.outbound.errors import PeerProtocolError
from gateway.wire.reconciliations import (
    PermitReconciled,
    ReconciliationsAnswer,
    ReconciliationsRequest,
)


async def permits_at_core(
    context: Context, leaves: Sequence[str], *, since: datetime, until: datetime
) -> list[PermitReconciled]:
    """Return the permits of these inquiries (leaf hashes), made between two moments.

    They are at most 31 days apart, less what clocks may differ.

    Raises:
        PeerProtocolError: the core names another inquiry, and what `Peers.post` raises.
    """
    core, own = context.trust.core, context.trust.organisation
    request = ReconciliationsRequest(
        begins=instant(since - CLOCKS_DIFFER),
        ends=instant(until + CLOCKS_DIFFER),
        inquiry_leaves=list(leaves),
    )
    answer = await context.peers.post(core, PATH, request, ReconciliationsAnswer)
    if any(one.inquirer != own or one.inquiry_leaf not in leaves for one in answer.permits):
        raise PeerProtocolError("reconciliations: of another inquiry")
    return answer.permits
