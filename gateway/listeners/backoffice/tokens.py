"""Back-office zone: tokens for client credentials, and what a token is good for."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from codes.canonical import b64
from gateway.domain.scopes import TOKENS_INTROSPECT, write_scopes
from gateway.errors import (
    InvalidRequestError,
    NotAuthenticatedError,
    NotPermittedError,
    SekishoError,
    TooManyRequestsError,
    UnavailableError,
)
from gateway.flows.sign_in_clients import GrantRefusedError, ScopeRefusedError
from gateway.http.body import FORM, JSON
from gateway.http.problems import problem_response, problem_type
from gateway.http.routes import Route
from gateway.listeners.backoffice.authentication import ANY_CLIENT, CERTIFICATE
from gateway.listeners.backoffice.services import BackofficeCall, CertifiedCall
from gateway.wire.oauth import (
    BEARER,
    CLIENT_CREDENTIALS,
    JWT_BEARER,
    Confirmation,
    Introspection,
    IntrospectionRequest,
    OAuthProblem,
    TokenAnswer,
    TokenRequest,
)

FORM_BYTES_MAX: Final = 16 * 1024
NOTHING: Final = Introspection(active=False)


class ProofRefusedError(InvalidRequestError):
    """The client proves who it is in another way than a signed assertion."""

    problem = "invalid-request"


async def issue_token(call: CertifiedCall, body: TokenRequest) -> TokenAnswer:
    """Give a token of at most ten minutes, bound to the certificate of this connection."""
    if body.grant_type != CLIENT_CREDENTIALS:
        raise GrantRefusedError("token: another grant type")
    if body.client_assertion_type != JWT_BEARER:
        raise ProofRefusedError("token: another kind of assertion")
    issued = await call.services.sign_in.issue(
        body.client_assertion,
        call.caller.certificate,
        client_id=body.client_id,
        scope=body.scope,
    )
    return TokenAnswer(
        access_token=issued.token.text,
        token_type=BEARER,
        expires_in=int(issued.life.total_seconds()),
        scope=write_scopes(issued.scopes),
    )


async def introspect_token(call: BackofficeCall, body: IntrospectionRequest) -> Introspection:
    """Say what a token is good for: to its own client, or to one with the scope for it."""
    held = await call.services.sign_in.look_into(body.token)
    if held is None:
        return NOTHING
    is_own = held.client.client_id == call.caller.registration.client_id
    if not is_own and TOKENS_INTROSPECT not in call.caller.scopes:
        return NOTHING
    return Introspection(
        active=True,
        client_id=held.client.client_id,
        sub=held.client.client_id,
        iss=call.services.issuer,
        token_type=BEARER,
        scope=write_scopes(held.token.scopes & held.client.scopes),
        iat=int(held.token.issued_at.timestamp()),
        exp=int(held.token.expires_at.timestamp()),
        cnf=Confirmation(certificate=b64(held.token.certificate)),
    )


# The first that fits counts, so the narrower stands first.
_ERRORS: Final[tuple[tuple[type[SekishoError], str, HTTPStatus], ...]] = (
    (GrantRefusedError, "unsupported_grant_type", HTTPStatus.BAD_REQUEST),
    (ScopeRefusedError, "invalid_scope", HTTPStatus.BAD_REQUEST),
    (InvalidRequestError, "invalid_request", HTTPStatus.BAD_REQUEST),
    (NotAuthenticatedError, "invalid_client", HTTPStatus.UNAUTHORIZED),
    (NotPermittedError, "unauthorized_client", HTTPStatus.BAD_REQUEST),
    (TooManyRequestsError, "temporarily_unavailable", HTTPStatus.TOO_MANY_REQUESTS),
    (UnavailableError, "temporarily_unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
)


def render_error(error: SekishoError, request_id: str) -> web.StreamResponse:
    """Return an error in the shape of RFC 6749 §5.2; the description is a slug of our catalogue."""
    found = next((row for row in _ERRORS if isinstance(error, row[0])), None)
    if found is None:
        return problem_response(error, request_id=request_id)
    _, slug, status = found
    described = OAuthProblem(error=slug, error_description=problem_type(type(error)).title)
    response = web.Response(status=status, body=msgspec.json.encode(described), content_type=JSON)
    if isinstance(error, TooManyRequestsError | UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


ROUTES: Final = (
    Route(
        method="POST",
        path="/oauth2/token",
        handler=issue_token,
        permission=CERTIFICATE,
        summary="Get an access token",
        request=TokenRequest,
        response=TokenAnswer,
        takes=FORM,
        bytes_max=FORM_BYTES_MAX,
        problems=("client-not-authentic", "scope-refused"),
        render_error=render_error,
    ),
    Route(
        method="POST",
        path="/oauth2/introspect",
        handler=introspect_token,
        permission=ANY_CLIENT,
        summary="Look into an access token",
        request=IntrospectionRequest,
        response=Introspection,
        takes=FORM,
        bytes_max=FORM_BYTES_MAX,
    ),
)
