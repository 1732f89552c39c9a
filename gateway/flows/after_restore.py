"""What a provider no longer knows after an older backup or a loss, and does not answer for it.

Which permits were used since is forgotten: those of before are refused, and whoever asks anew, with
a new inquiry, is answered once. After a backup, flags and switches set since are forgotten too:
nothing goes out until people have set them again and lifted the switch that the restore left
behind (docs/operations/backup.md).
"""

from datetime import datetime

from codes.canonical import parse_instant
from gateway.errors import ConflictError, UnavailableError
from gateway.flows.gate import Gate, GateView
from gateway.flows.presented import CLOCK_LEEWAY, Presented
from gateway.storage.load import STOPPED
from policies.measures import StopSwitch


class PermitForgottenError(ConflictError):
    """It may have been used before records were lost, and nobody here would know."""

    problem = "permit-forgotten"


class NotLookedThroughError(UnavailableError):
    """A backup was restored, and nobody has said that flags and switches are as they were."""

    problem = "restored-backup"


def require_remembered(presented: Presented, until: datetime | None) -> None:
    """Return quietly unless the permit is of before `until`, when records were last lost.

    Raises:
        PermitForgottenError: it may have been answered before (PROTOCOL §3, *Once*).
    """
    if until is None:
        return
    if parse_instant(presented.matter.permit.requested_at) < until + CLOCK_LEEWAY:
        raise PermitForgottenError("permit: of before records were lost")


async def gate_now(view: GateView[StopSwitch]) -> Gate[StopSwitch]:
    """Return the gate as it is known, and read anew while the switch of a restore stands in it.

    Nothing is committed under that switch, so no commit would show that it was lifted.
    """
    gate = await view.current()
    return await view.fresh() if _is_held_back(gate) else gate


def require_looked_through(gate: Gate[StopSwitch]) -> None:
    """Return quietly unless the switch that a restore sets still stands.

    Raises:
        NotLookedThroughError: it does; who asks waits, as nothing was decided.
    """
    if _is_held_back(gate):
        raise NotLookedThroughError("a backup was restored, and nobody has looked it through")


def _is_held_back(gate: Gate[StopSwitch]) -> bool:
    return any(switch.reason == STOPPED for switch in gate.switches)
