"""Messages of the token endpoint (RFC 6749, 7523) and of introspection (RFC 7662).

Members that these standards do not name are passed over, as RFC 6749 §3.2 asks; nothing else of
this program does so.
"""

from typing import Annotated, Final

import msgspec

from gateway.wire.fields import Name

CLIENT_CREDENTIALS: Final = "client_credentials"
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BEARER: Final = "Bearer"
SCOPE_CHARACTERS_MAX: Final = 1024

ScopeText = Annotated[str, msgspec.Meta(max_length=SCOPE_CHARACTERS_MAX)]


class _Form(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of what standards outside this program shape; printed masked."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(masked)"


class TokenRequest(_Form, frozen=True, kw_only=True):
    """`POST /oauth2/token` as a form: client credentials, proved by a signed assertion."""

    grant_type: Annotated[str, msgspec.Meta(max_length=64)]
    client_assertion_type: Annotated[str, msgspec.Meta(max_length=128)]
    client_assertion: Annotated[str, msgspec.Meta(max_length=8192)]
    client_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    scope: ScopeText | None = None


class TokenAnswer(_Form, frozen=True, kw_only=True):
    """A token for this client and this certificate."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class IntrospectionRequest(_Form, frozen=True, kw_only=True):
    """`POST /oauth2/introspect` as a form."""

    token: Annotated[str, msgspec.Meta(max_length=256)]
    token_type_hint: Name | None = None


class Confirmation(_Form, frozen=True, kw_only=True):
    """What the token is bound to (RFC 8705 §3.1): SHA-256 of the certificate, base64url."""

    certificate: str = msgspec.field(name="x5t#S256")


class Introspection(_Form, frozen=True, kw_only=True):
    """What a token is good for; nothing but `active` where it is good for nothing here."""

    active: bool
    client_id: str | None = None
    sub: str | None = None
    iss: str | None = None
    token_type: str | None = None
    scope: str | None = None
    iat: int | None = None
    exp: int | None = None
    cnf: Confirmation | None = None


class OAuthProblem(_Form, frozen=True, kw_only=True):
    """An error as RFC 6749 §5.2 shapes it."""

    error: str
    error_description: str | None = None
