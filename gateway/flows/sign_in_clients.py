"""How back-office systems sign in: an assertion for a token, a token and a certificate for a call.

A token is good for ten minutes at most, for the scopes it was asked with, and for the certificate
of the connection it was given over (RFC 8705). Only its digest is kept.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.errors import CertsError
from certs.tokens import (
    AccessToken,
    AssertionAlgorithm,
    ClientAssertion,
    ClientKey,
    claimed_client_id,
    token_digest,
    verify_client_assertion,
)
from gateway.domain.scopes import read_scopes
from gateway.errors import InvalidRequestError, NotAuthenticatedError, NotPermittedError
from gateway.flows.batching import Batcher
from gateway.flows.context import Context
from gateway.flows.vault import Vault
from gateway.storage import assertions, clients
from gateway.storage.assertions import HeldToken, ShownAssertion, TokenRow
from gateway.storage.clients import ClientRow

TOKEN_LIFE: Final = timedelta(minutes=10)
TOKEN_CACHE_S: Final = 5.0
"""How long a worker believes what it read of a token: who is disabled elsewhere ends by then."""
TOKENS_CACHED_MAX: Final = 10_000
PEER_CHARACTERS: Final = 16

NoteEvent = Callable[[str, str], None]
"""Counts what was not authentic: from whom as far as is known, and why."""


class ClientNotAuthenticError(NotAuthenticatedError):
    """The assertion, the certificate or the client is not one this gateway knows."""

    problem = "client-not-authentic"


class TokenInvalidError(NotAuthenticatedError):
    """The token is none of ours, has ended, or was given to another certificate."""

    problem = "token-invalid"


class ScopeRefusedError(NotPermittedError):
    """The client asks for a scope it is not registered for, or spells none at all."""

    problem = "scope-refused"


class GrantRefusedError(InvalidRequestError):
    """Another grant or another proof than this token endpoint knows."""

    problem = "invalid-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCertificate:
    """The client certificate of a connection: its SHA-256 and the URIs it names."""

    sha256: bytes
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token as it is handed out, once."""

    token: AccessToken
    scopes: frozenset[str]
    life: timedelta


class SignInClients:
    """Tokens of one gateway's back-office listener."""

    def __init__(
        self, context: Context, *, audiences: frozenset[str], note_event: NoteEvent
    ) -> None:
        self._context = context
        self._note_event = note_event
        self._audiences = audiences
        self._reads: Batcher[bytes, HeldToken] = Batcher(self._read_tokens)
        self._known: OrderedDict[bytes, tuple[HeldToken, float]] = OrderedDict()

    async def issue(
        self,
        assertion: str,
        certificate: PresentedCertificate,
        *,
        client_id: str | None = None,
        scope: str | None = None,
    ) -> IssuedToken:
        """Return a token for an assertion never shown before; `client_id` must be its issuer.

        Raises:
            ClientNotAuthenticError: the client did not prove who it is.
            ScopeRefusedError: it asks for more than it is registered for.
        """
        now = self._context.clock.now()
        client, shown = await self._authentic(assertion, certificate, now)
        if client_id not in {None, client.client_id}:
            raise self._not_authentic(certificate, "client-of-another")
        scopes = _granted(client, scope)
        token = AccessToken.generate()
        row = TokenRow(
            digest=token.digest(),
            client_id=client.client_id,
            scopes=scopes,
            certificate=certificate.sha256,
            issued_at=now,
            expires_at=now + TOKEN_LIFE,
        )
        async with self._context.database.read() as connection:
            is_new = await assertions.issue(connection, shown, row)
        if not is_new:
            raise self._not_authentic(certificate, "assertion-replayed")
        return IssuedToken(token=token, scopes=scopes, life=TOKEN_LIFE)

    async def signed_in(self, text: str, certificate: PresentedCertificate) -> HeldToken:
        """Return the token shown with this certificate, or raise `TokenInvalidError`."""
        try:
            digest = token_digest(text)
        except CertsError:
            raise self._token_invalid(certificate, "token-malformed") from None
        held = await self._held(digest)
        if held is None:
            raise self._token_invalid(certificate, "token-unknown")
        if not hmac.compare_digest(held.token.certificate, certificate.sha256):
            raise self._token_invalid(certificate, "token-of-another-certificate")
        if held.token.expires_at <= self._context.clock.now():
            raise self._token_invalid(certificate, "token-expired")
        if not held.client.is_enabled:
            raise self._token_invalid(certificate, "client-disabled")
        return held

    async def look_into(self, text: str) -> HeldToken | None:
        """Return a token that is good now, whoever asks and by whatever certificate."""
        try:
            held = await self._held(token_digest(text))
        except CertsError:
            return None
        if held is None or not held.client.is_enabled:
            return None
        return held if held.token.expires_at > self._context.clock.now() else None

    async def _authentic(
        self, assertion: str, certificate: PresentedCertificate, now: datetime
    ) -> tuple[ClientRow, ShownAssertion]:
        """Return the client that signed the assertion; who it is not looks alike in every case."""
        try:
            client = await self._client(claimed_client_id(assertion))
            if client is None or not client.is_enabled:
                raise self._not_authentic(certificate, "client-unknown")
            if certificate.uris != (client.certificate_uri,):
                raise self._not_authentic(certificate, "certificate-of-another")
            verified: ClientAssertion = verify_client_assertion(
                assertion,
                client_id=client.client_id,
                key=client_key(self._context.vault, client),
                audiences=self._audiences,
                now=now,
            )
        except CertsError as error:
            raise self._not_authentic(certificate, error.reason) from None
        shown = ShownAssertion(
            client_id=client.client_id, jti=verified.jti, expires_at=verified.expires_at
        )
        return client, shown

    async def _client(self, client_id: str) -> ClientRow | None:
        async with self._context.database.read() as connection:
            return (await clients.find(connection, [client_id])).get(client_id)

    async def _held(self, digest: bytes) -> HeldToken | None:
        present = self._context.clock.monotonic()
        known = self._known.get(digest)
        if known is not None and known[1] > present:
            return known[0]
        held = await self._reads.get(digest)
        if held is None:
            self._known.pop(digest, None)
            return None
        self._known[digest] = (held, present + TOKEN_CACHE_S)
        self._known.move_to_end(digest)
        if len(self._known) > TOKENS_CACHED_MAX:
            self._known.popitem(last=False)
        return held

    def _not_authentic(
        self, certificate: PresentedCertificate, reason: str
    ) -> ClientNotAuthenticError:
        self._note_event(_peer(certificate), reason)
        return ClientNotAuthenticError(f"client: {reason}")

    def _token_invalid(self, certificate: PresentedCertificate, reason: str) -> TokenInvalidError:
        self._note_event(_peer(certificate), reason)
        return TokenInvalidError(f"token: {reason}")

    async def _read_tokens(self, digests: Sequence[bytes]) -> dict[bytes, HeldToken]:
        async with self._context.database.read() as connection:
            return await assertions.find(connection, digests)


def client_key(vault: Vault, client: ClientRow) -> ClientKey:
    """Return what a client's assertions are verified with; raises `CertsError`."""
    algorithm = AssertionAlgorithm(client.algorithm)
    if client.secret_box is not None:
        secret = vault.open(
            clients.TABLE, clients.SECRET, client.key_year, client.client_id, client.secret_box
        )
        return ClientKey.from_secret(secret)
    return ClientKey.from_pem(algorithm, (client.public_key or "").encode("ascii"))


def _peer(certificate: PresentedCertificate) -> str:
    """Return who came, by the one thing that was proved: the certificate."""
    return certificate.sha256.hex()[:PEER_CHARACTERS]


def _granted(client: ClientRow, scope: str | None) -> frozenset[str]:
    """Return what the token is for: all the client may, or what it asks for of that."""
    if scope is None:
        return client.scopes
    try:
        asked = read_scopes(scope)
    except ValueError:
        raise ScopeRefusedError("scope: cannot be read") from None
    if not asked <= client.scopes:
        raise ScopeRefusedError("scope: not registered for it")
    return asked
