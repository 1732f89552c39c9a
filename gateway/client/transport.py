"""HTTP to one gateway: mutual TLS, a token while it lasts, retries only where they are safe."""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from gateway.client.credentials import Credentials
from gateway.client.errors import (
    GatewayBusyError,
    GatewayUnreachableError,
    NotAuthenticError,
    ProblemError,
    SignInError,
    error_of,
)
from gateway.wire.oauth import CLIENT_CREDENTIALS, JWT_BEARER, OAuthProblem, TokenAnswer
from gateway.wire.problems import Problem

T = TypeVar("T")

TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105  # a path, no password
NOT_NOW: Final = "temporarily_unavailable"
"""OAuth's word for a sign-in that may be tried again (RFC 6749 §4.1.2.1)."""
TOKEN_MARGIN_S: Final = 30.0
TIMEOUT_S: Final = 60.0
CONNECTIONS_MAX: Final = 16
ATTEMPTS_MAX: Final = 4
BACK_OFF_S: Final = 0.2
BACK_OFF_S_MAX: Final = 10.0
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
_OK_MAX: Final = 300

Body = bytes | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def read(self, type_: type[T]) -> T:
        """Return the body as `type_`; members this release does not know are passed over."""
        return msgspec.json.decode(self.body, type=type_)


class Transport:
    """One client's connections to one gateway."""

    def __init__(self, credentials: Credentials, *, scope: str | None = None) -> None:
        self._credentials = credentials
        self._scope = scope
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None
        self._token_ends = 0.0
        self._signing_in = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._credentials.tls, limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        is_safe: bool = False,
    ) -> Answer:
        """Return the answer to one request; where it `is_safe` to repeat, it is repeated.

        Raises:
            ClientError: as `gateway.client.errors` draws it.
        """
        attempts = ATTEMPTS_MAX if is_safe and not isinstance(body, AsyncIterable) else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._signed_call(method, path, body, headers or {}, content_type)
            except (GatewayUnreachableError, GatewayBusyError) as error:
                if attempt == attempts:
                    raise
                await asyncio.sleep(_pause_s(attempt, error))
        raise AssertionError("unreachable")

    async def _signed_call(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
        content_type: str,
    ) -> Answer:
        """Call with a token; one that ended meanwhile is fetched anew, once."""
        sent = dict(headers)
        if body is not None:
            sent["Content-Type"] = content_type
        for is_last in (False, True):
            sent["Authorization"] = f"Bearer {await self._fresh_token()}"
            try:
                return await self._exchange(method, path, body, sent)
            except ProblemError as error:
                if is_last or error.type != "token-invalid" or isinstance(body, AsyncIterable):
                    raise
                self._token = None
        raise AssertionError("unreachable")

    async def _fresh_token(self) -> str:
        async with self._signing_in:
            if self._token is None or time.monotonic() >= self._token_ends:
                answer = await self._sign_in()
                self._token = answer.access_token
                self._token_ends = time.monotonic() + answer.expires_in - TOKEN_MARGIN_S
            return self._token

    async def _sign_in(self) -> TokenAnswer:
        form = {
            "grant_type": CLIENT_CREDENTIALS,
            "client_id": self._credentials.client_id,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self._credentials.assertion(jti=secrets.token_hex(16)),
        }
        if self._scope is not None:
            form["scope"] = self._scope
        status, answered, raw = await self._raw("POST", TOKEN_PATH, aiohttp.FormData(form)(), {})
        if status >= _OK_MAX:
            try:
                told = msgspec.json.decode(raw, type=OAuthProblem)
            except msgspec.DecodeError:
                raise SignInError(f"status {status}") from None
            if told.error == NOT_NOW:
                problem = Problem(type="unavailable", title=f"sign-in: {NOT_NOW}", status=status)
                raise GatewayBusyError(problem, _retry_after_s(answered))
            raise SignInError(told.error, told.error_description)
        return msgspec.json.decode(raw, type=TokenAnswer)

    async def _exchange(
        self, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> Answer:
        status, answered, raw = await self._raw(method, path, body, headers)
        if status < _OK_MAX:
            return Answer(status=status, headers=answered, body=raw)
        try:
            problem = msgspec.json.decode(raw, type=Problem)
        except msgspec.DecodeError:
            problem = Problem(type="internal-error", title=f"status {status}", status=status)
        raise error_of(problem, retry_after_s=_retry_after_s(answered))

    async def _raw(
        self, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            raise RuntimeError("client: use it as an async context manager")
        try:
            async with self._session.request(
                method,
                self._credentials.url + path,
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                raw = await response.content.read(BODY_BYTES_MAX)
                while len(raw) < BODY_BYTES_MAX and (more := await response.content.readany()):
                    raw += more
                return response.status, dict(response.headers), raw
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError):
            raise NotAuthenticError("TLS refused") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise NotAuthenticError("TLS refused") from None
            raise GatewayUnreachableError(type(error).__name__) from None


def _pause_s(attempt: int, error: Exception) -> float:
    """Return how long to wait: twice as long each time, and as long as the gateway asks for."""
    asked = error.retry_after_s if isinstance(error, GatewayBusyError) else 0
    wait_s: float = min(BACK_OFF_S * 2 ** (attempt - 1), BACK_OFF_S_MAX)
    return max(wait_s, min(float(asked), BACK_OFF_S_MAX))


def _retry_after_s(headers: Mapping[str, str]) -> int:
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return int(text) if text.isascii() and text.isdigit() else 1
