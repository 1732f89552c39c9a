"""Network zone: what the core, for the disclosure system, is told about a person (TKM-07)."""

from typing import Final

from gateway.errors import SekishoError
from gateway.http.items import item_problem
from gateway.http.members import CORE_ONLY
from gateway.http.routes import Route
from gateway.listeners.network.exchange import NetworkCall
from gateway.listeners.network.services import LISTENER
from gateway.wire.disclosures import (
    DisclosureGiven,
    DisclosureResult,
    DisclosuresAnswer,
    DisclosuresRequest,
)

_BYTES_MAX: Final = 128 * 1024


async def disclosures(call: NetworkCall, body: DisclosuresRequest) -> DisclosuresAnswer:
    """Give the exchanges that people may see, sealed; that somebody asked is recorded first."""
    given = await call.services.disclosures.give(call.caller.organisation, body)
    return DisclosuresAnswer(keys=given.keys, results=[_result(one) for one in given.results])


def _result(given: DisclosureGiven | SekishoError) -> DisclosureResult:
    if isinstance(given, SekishoError):
        return DisclosureResult(problem=item_problem(given, listener=LISTENER))
    return DisclosureResult(result=given)


ROUTES = (
    Route(
        method="POST",
        path="/v1/disclosures",
        handler=disclosures,
        permission=CORE_ONLY,
        summary="Give what people may see of the records about them",
        request=DisclosuresRequest,
        response=DisclosuresAnswer,
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "stale-directory"),
    ),
)
