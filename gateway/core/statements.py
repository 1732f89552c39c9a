"""`POST /v1/statements:fetch`: the core's own statements of a party's exchanges, by permit id."""

from collections.abc import Sequence

from gateway.core.problems import item_problem
from gateway.errors import NotFoundError
from gateway.flows.context import Context
from gateway.flows.own_statements import fetch_statements
from gateway.records.kinds import OutcomeTaken, PermitGranted, Public, Refusal
from gateway.wire.lookups import (
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementsFound,
    StatementsResult,
)
from gateway.wire.network import Reference


class StatementDesk:
    """Gives each party what the core stated about its own exchanges, and nobody else."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, sender: str, request: StatementsFetchRequest) -> StatementsFetchAnswer:
        """Return the statements of each permit; another party's permit is not found."""
        wanted = list(dict.fromkeys(item.permit_id for item in request.items))
        found = await fetch_statements(self._context, sender, wanted, is_party=is_party)
        return StatementsFetchAnswer(
            groups=found.groups,
            results=[_result(found.by_permit.get(item.permit_id, ())) for item in request.items],
        )


def is_party(sender: str, public: Public) -> bool:
    """Tell whether the core's entry states something of an exchange of this organisation."""
    match public:
        case PermitGranted() | Refusal():
            return sender in (public.inquirer, public.provider)
        case OutcomeTaken():
            return sender == public.party
        case _:
            return False


def _result(statements: Sequence[Reference]) -> StatementsResult:
    if not statements:
        return StatementsResult(problem=item_problem(NotFoundError("permit: none of yours")))
    return StatementsResult(result=StatementsFound(statements=list(statements)))
