"""Network zone: what parties may see and tell of our log beside the exchange itself."""

from gateway.errors import NotFoundError, SekishoError
from gateway.http.items import item_problem
from gateway.http.members import MEMBER
from gateway.http.routes import Route
from gateway.listeners.network.exchange import NetworkCall, noise_noted
from gateway.listeners.network.services import LISTENER
from gateway.wire.lookups import (
    CorrectionNoticesRequest,
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementsFound,
    StatementsResult,
)
from gateway.wire.network import Acknowledged, AcknowledgedAnswer, AcknowledgedResult


async def fetch_statements(
    call: NetworkCall, body: StatementsFetchRequest
) -> StatementsFetchAnswer:
    """Give our statements of the caller's own exchanges, by permit id."""
    permit_ids = [item.permit_id for item in body.items]
    fetched = await call.services.statements.fetch(call.caller.organisation, permit_ids)
    none = NotFoundError("permit: no exchange with this party")
    return StatementsFetchAnswer(
        groups=fetched.groups,
        results=[
            StatementsResult(result=StatementsFound(statements=fetched.by_permit[permit_id]))
            if permit_id in fetched.by_permit
            else StatementsResult(problem=item_problem(none, listener=LISTENER))
            for permit_id in permit_ids
        ],
    )


async def correction_notices(
    call: NetworkCall, body: CorrectionNoticesRequest
) -> AcknowledgedAnswer:
    """Take note of a corrected record (法31); acknowledged once that is recorded."""
    with noise_noted(call):
        taken = await call.services.corrections.take(call.caller.organisation, body)
    return AcknowledgedAnswer(
        results=[
            AcknowledgedResult(problem=item_problem(one, listener=LISTENER))
            if isinstance(one, SekishoError)
            else AcknowledgedResult(result=Acknowledged(permit_id=one))
            for one in taken
        ]
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/statements:fetch",
        handler=fetch_statements,
        permission=MEMBER,
        summary="Fetch statements of own exchanges",
        request=StatementsFetchRequest,
        response=StatementsFetchAnswer,
    ),
    Route(
        method="POST",
        path="/v1/correction-notices",
        handler=correction_notices,
        permission=MEMBER,
        summary="Tell of a corrected record",
        request=CorrectionNoticesRequest,
        response=AcknowledgedAnswer,
        problems=("statement-invalid", "queue-full", "stale-directory"),
    ),
)
