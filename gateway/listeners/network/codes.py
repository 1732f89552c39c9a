"""Network zone: codes from the core, and people whom others want a code for."""

from gateway.errors import SekishoError
from gateway.http.items import item_problem
from gateway.http.members import CORE_ONLY, GATEWAY_ONLY
from gateway.http.routes import Route
from gateway.listeners.network.exchange import NetworkCall
from gateway.listeners.network.services import LISTENER
from gateway.wire.codes import (
    CodeAcquisitionRequestsRequest,
    CodeDeliveriesRequest,
    RequestResult,
    RequestsAnswer,
    RequestTaken,
)


async def code_deliveries(call: NetworkCall, body: CodeDeliveriesRequest) -> RequestsAnswer:
    """Take in network codes; acknowledged once they are linked (法21の2, 命令85 44)."""
    taken = await call.services.codes.take(call.caller.organisation, body)
    return RequestsAnswer(results=[_result(one) for one in taken])


async def code_acquisition_requests(
    call: NetworkCall, body: CodeAcquisitionRequestsRequest
) -> RequestsAnswer:
    """Take in whom an inquirer wants a code for (令26③); our registry sees to it."""
    taken = await call.services.wanted.take(call.caller.organisation, body)
    return RequestsAnswer(results=[_result(one) for one in taken])


def _result(taken: str | SekishoError) -> RequestResult:
    if isinstance(taken, SekishoError):
        return RequestResult(problem=item_problem(taken, listener=LISTENER))
    return RequestResult(result=RequestTaken(request_id=taken))


ROUTES = (
    Route(
        method="POST",
        path="/v1/code-deliveries",
        handler=code_deliveries,
        permission=CORE_ONLY,
        summary="Deliver network codes",
        request=CodeDeliveriesRequest,
        response=RequestsAnswer,
        problems=("queue-full",),
    ),
    Route(
        method="POST",
        path="/v1/code-acquisition-requests",
        handler=code_acquisition_requests,
        permission=GATEWAY_ONLY,
        summary="Ask for a code to be acquired",
        request=CodeAcquisitionRequestsRequest,
        response=RequestsAnswer,
        problems=("queue-full", "stale-directory"),
    ),
)
