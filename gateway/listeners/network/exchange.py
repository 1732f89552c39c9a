"""Network zone: permits presented to us as provider, answers delivered to us as inquirer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from gateway.errors import SekishoError
from gateway.flows.statements import StatementInvalidError
from gateway.http.items import item_problem
from gateway.http.members import CORE_ONLY, GATEWAY_ONLY, Member
from gateway.http.routes import Call, Route
from gateway.listeners.network.services import LISTENER, NetworkServices
from gateway.wire.network import (
    Acknowledged,
    AcknowledgedAnswer,
    AcknowledgedResult,
    DeliveriesRequest,
    NoticesRequest,
    ProvisionResult,
    ProvisionsAnswer,
    ProvisionsRequest,
)

NetworkCall: TypeAlias = Call[NetworkServices, Member]


@contextmanager
def noise_noted(call: NetworkCall) -> Iterator[None]:
    """Count a message whose statements did not verify: an event, no evidence."""
    try:
        yield
    except StatementInvalidError as error:
        call.services.events.note(call.caller.organisation, error.reason)
        raise


async def provisions(call: NetworkCall, body: ProvisionsRequest) -> ProvisionsAnswer:
    """Answer permits: one statement, sealed where something is provided, or one problem each."""
    with noise_noted(call):
        reply = await call.services.provide.take(call.caller.organisation, body)
    return ProvisionsAnswer(
        groups=reply.groups,
        keys=reply.keys,
        results=[
            ProvisionResult(problem=item_problem(result, listener=LISTENER))
            if isinstance(result, SekishoError)
            else ProvisionResult(result=result)
            for result in reply.results
        ],
    )


async def deliveries(call: NetworkCall, body: DeliveriesRequest) -> AcknowledgedAnswer:
    """Take in held answers that people released or refused; acknowledged after commit."""
    with noise_noted(call):
        answers = await call.services.deliveries.take(call.caller.organisation, body)
    return acknowledged(answers)


async def notices(call: NetworkCall, body: NoticesRequest) -> AcknowledgedAnswer:
    """Take in the core's notices of permits granted (法21②)."""
    return acknowledged(await call.services.notices.take(body))


def acknowledged(answers: Sequence[Acknowledged | SekishoError]) -> AcknowledgedAnswer:
    """Return what was taken in and what was not, item by item."""
    return AcknowledgedAnswer(
        results=[
            AcknowledgedResult(problem=item_problem(answer, listener=LISTENER))
            if isinstance(answer, SekishoError)
            else AcknowledgedResult(result=answer)
            for answer in answers
        ]
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/provisions",
        handler=provisions,
        permission=GATEWAY_ONLY,
        summary="Present permits and get answers",
        request=ProvisionsRequest,
        response=ProvisionsAnswer,
        problems=("statement-invalid", "permit-used", "queue-full", "stale-directory"),
    ),
    Route(
        method="POST",
        path="/v1/deliveries",
        handler=deliveries,
        permission=GATEWAY_ONLY,
        summary="Deliver answers that people let go",
        request=DeliveriesRequest,
        response=AcknowledgedAnswer,
        problems=("statement-invalid", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/notices",
        handler=notices,
        permission=CORE_ONLY,
        summary="Notify of permits granted",
        request=NoticesRequest,
        response=AcknowledgedAnswer,
        problems=("queue-full",),
    ),
)
