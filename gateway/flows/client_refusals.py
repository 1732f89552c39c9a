"""What a signed-in client asked for and may not have is evidence too (DESIGN §2.7, PROTOCOL §5).

What the law refuses is recorded with the question by whoever decides; here stands what never came
to a question: another's procedure, a scope the token has not, a person without a code.
"""

from typing import Final

from gateway.domain.client import OutsideRegistrationError, Registration
from gateway.domain.scopes import InsufficientScopeError
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.evidence import record_refusals
from gateway.flows.inquire import NoCodeError
from gateway.flows.lawful import UnknownBodyError
from gateway.flows.record_types import Draft, SearchColumns

REFUSED: Final = "refused"
EVIDENCE: Final = (
    OutsideRegistrationError,
    InsufficientScopeError,
    NoCodeError,
    UnknownBodyError,
)


class ClientRefusals:
    """Records refusals of clients whose token and certificate were good."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def record(self, registration: Registration, operation: str, error: SekishoError) -> None:
        """Record a refusal before the client hears of it; what is no evidence is passed over."""
        if not isinstance(error, EVIDENCE):
            return
        draft = Draft(
            kind="refusal",
            members={"reason": error.problem},
            private={
                "client_id": registration.client_id,
                "system": registration.system,
                "operation": operation,
                "detail": str(error.members.get("reason", "")),
            },
            search=SearchColumns(system=registration.system, outcome=REFUSED),
        )
        await record_refusals(self._context, [draft], source=registration.client_id)
