"""The core's network listener: a row for each route of DESIGN §5, and who may ask for it."""

from aiohttp import web

from gateway.core.noise import noting
from gateway.core.services import CoreCall
from gateway.http.log_routes import LOG_ROUTES
from gateway.http.members import GATEWAY_ONLY, MEMBER, RESIDENT_NETWORK_ONLY
from gateway.http.routes import Route
from gateway.wire.code_changes import ResidentCodeChangesAnswer, ResidentCodeChangesRequest
from gateway.wire.codes import (
    CodeRequestsAnswer,
    CodeRequestsRequest,
    NumbersAnswer,
    ResidentCodesRequest,
)
from gateway.wire.lookups import (
    CorrectionNoticesRequest,
    ProvidersAnswer,
    ProvidersRequest,
    StatementsFetchAnswer,
    StatementsFetchRequest,
)
from gateway.wire.network import (
    AcknowledgedAnswer,
    OutcomesAnswer,
    OutcomesRequest,
    PermitsAnswer,
    PermitsRequest,
)
from gateway.wire.reconciliations import ReconciliationsAnswer, ReconciliationsRequest

IF_NONE_MATCH = "If-None-Match"
_CLOSED = ("queue-full", "stale-directory", "unknown-result")


async def permits(call: CoreCall, body: PermitsRequest) -> PermitsAnswer:
    """Answer inquiries: a permit or a refusal, each a statement, or one problem each."""
    with noting(call.services.events, call.caller.organisation):
        return await call.services.permits.answer(call.caller.organisation, body)


async def outcomes(call: CoreCall, body: OutcomesRequest) -> OutcomesAnswer:
    """Take in how exchanges came out, from both parties (法23③)."""
    with noting(call.services.events, call.caller.organisation):
        return await call.services.outcomes.answer(call.caller.organisation, body)


async def lookup_providers(call: CoreCall, body: ProvidersRequest) -> ProvidersAnswer:
    """Say whom the law of the day lets the caller ask (命令85 40③); it permits nothing."""
    return call.services.providers.answer(call.caller.organisation, body)


async def code_requests(call: CoreCall, body: CodeRequestsRequest) -> CodeRequestsAnswer:
    """Begin code acquisitions and give their acquisition numbers (法21の2②)."""
    return await call.services.code_requests.answer(call.caller.organisation, body)


async def resident_codes(call: CoreCall, body: ResidentCodesRequest) -> NumbersAnswer:
    """Take in whose an acquisition number is (令27③); the codes go to their gateways."""
    return await call.services.resident_codes.answer(call.caller.organisation, body)


async def resident_code_changes(
    call: CoreCall, body: ResidentCodeChangesRequest
) -> ResidentCodeChangesAnswer:
    """Take in changed resident-record codes (住基法30の9の2②); everybody stays who they were."""
    return await call.services.code_changes.answer(call.caller.organisation, body)


async def fetch_statements(call: CoreCall, body: StatementsFetchRequest) -> StatementsFetchAnswer:
    """Give the core's statements of the caller's own exchanges, by permit id."""
    return await call.services.statements.answer(call.caller.organisation, body)


async def reconciliations(call: CoreCall, body: ReconciliationsRequest) -> ReconciliationsAnswer:
    """Say what the core has of the caller's own permits, page by page (法23③)."""
    return await call.services.reconciliations.answer(call.caller.organisation, body)


async def correction_notices(call: CoreCall, body: CorrectionNoticesRequest) -> AcknowledgedAnswer:
    """Take note of corrected records (法31)."""
    with noting(call.services.events, call.caller.organisation):
        return await call.services.corrections.answer(call.caller.organisation, body)


async def directory(call: CoreCall) -> web.Response:
    """Give the signed directory; its digest is its entity tag."""
    publication = call.services.publication
    await publication.follow()
    return _document(call, publication.directory.raw, publication.directory.digest)


async def allow_list(call: CoreCall) -> web.Response:
    """Give the signed allow list that the directory names; its digest is its entity tag."""
    publication = call.services.publication
    await publication.follow()
    return _document(call, publication.allow_list, publication.directory.allow_list_digest)


def _document(call: CoreCall, raw: bytes, digest: str) -> web.Response:
    # The digest leaves the signatures out; what is signed decides whether anything changed.
    tag = f'"{digest}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if call.header(IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=raw, content_type="application/json", headers=headers)


ROUTES = (
    Route(
        method="POST",
        path="/v1/permits",
        handler=permits,
        permission=GATEWAY_ONLY,
        summary="Ask for permits",
        request=PermitsRequest,
        response=PermitsAnswer,
        problems=("statement-invalid", *_CLOSED),
    ),
    Route(
        method="POST",
        path="/v1/outcomes",
        handler=outcomes,
        permission=GATEWAY_ONLY,
        summary="Tell how exchanges came out",
        request=OutcomesRequest,
        response=OutcomesAnswer,
        problems=("statement-invalid", *_CLOSED),
    ),
    Route(
        method="POST",
        path="/v1/providers:lookup",
        handler=lookup_providers,
        permission=GATEWAY_ONLY,
        summary="Find out whom to ask",
        request=ProvidersRequest,
        response=ProvidersAnswer,
        problems=("stale-directory",),
    ),
    Route(
        method="POST",
        path="/v1/code-requests",
        handler=code_requests,
        permission=GATEWAY_ONLY,
        summary="Begin to acquire codes",
        request=CodeRequestsRequest,
        response=CodeRequestsAnswer,
        problems=_CLOSED,
    ),
    Route(
        method="POST",
        path="/v1/resident-codes",
        handler=resident_codes,
        permission=RESIDENT_NETWORK_ONLY,
        summary="Tell whose an acquisition number is",
        request=ResidentCodesRequest,
        response=NumbersAnswer,
        problems=_CLOSED,
    ),
    Route(
        method="POST",
        path="/v1/resident-code-changes",
        handler=resident_code_changes,
        permission=RESIDENT_NETWORK_ONLY,
        summary="Tell of changed resident-record codes",
        request=ResidentCodeChangesRequest,
        response=ResidentCodeChangesAnswer,
        problems=_CLOSED,
    ),
    Route(
        method="POST",
        path="/v1/statements:fetch",
        handler=fetch_statements,
        permission=GATEWAY_ONLY,
        summary="Fetch statements of own exchanges",
        request=StatementsFetchRequest,
        response=StatementsFetchAnswer,
    ),
    Route(
        method="POST",
        path="/v1/reconciliations",
        handler=reconciliations,
        permission=GATEWAY_ONLY,
        summary="Hold own records against the core's",
        request=ReconciliationsRequest,
        response=ReconciliationsAnswer,
        problems=("invalid-query",),
    ),
    Route(
        method="POST",
        path="/v1/correction-notices",
        handler=correction_notices,
        permission=GATEWAY_ONLY,
        summary="Tell of a corrected record",
        request=CorrectionNoticesRequest,
        response=AcknowledgedAnswer,
        problems=("statement-invalid", *_CLOSED),
    ),
    Route(
        method="GET",
        path="/v1/directory",
        handler=directory,
        permission=MEMBER,
        summary="Get the signed directory",
        headers=(IF_NONE_MATCH,),
        statuses=(200, 304),
    ),
    Route(
        method="GET",
        path="/v1/allow-list",
        handler=allow_list,
        permission=MEMBER,
        summary="Get the signed allow list",
        headers=(IF_NONE_MATCH,),
        statuses=(200, 304),
    ),
    *LOG_ROUTES,
)
