"""A back-office caller that says whatever a test wants it to say, over real TLS."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import msgspec

from codes.canonical import b64
from gateway.client import Credentials
from gateway.wire.oauth import CLIENT_CREDENTIALS, JWT_BEARER

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, object]:
        return msgspec.json.decode(self.raw, type=dict[str, object])

    @property
    def refusal(self) -> tuple[int, object]:
        """Status and problem type, or OAuth's error."""
        return self.status, self.body.get("type") or self.body.get("error")


class RawClient:
    """One certificate's connections to one gateway."""

    def __init__(self, credentials: Credentials, session: aiohttp.ClientSession) -> None:
        self.credentials = credentials
        self._session = session

    async def send(
        self,
        method: str,
        path: str,
        raw: bytes | None = None,
        *,
        headers: object = None,
        content_type: str = JSON,
    ) -> Reply:
        sent = list(headers.items()) if isinstance(headers, Mapping) else list(headers or [])  # type: ignore[call-overload]  # pairs
        if raw is not None:
            sent.append(("Content-Type", content_type))
        async with self._session.request(
            method, self.credentials.url + path, data=raw, headers=sent
        ) as response:
            return Reply(
                status=response.status,
                headers=dict(response.headers),
                raw=await response.read(),
            )

    async def ask_token(self, assertion: str | None = None, **changed: object) -> Reply:
        """Ask for a token; a member that is None is left out."""
        form: dict[str, object] = {
            "grant_type": CLIENT_CREDENTIALS,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion or self.assertion(),
        } | changed
        pairs = [(name, str(value)) for name, value in form.items() if value is not None]
        raw = aiohttp.FormData(pairs)()._value
        return await self.send("POST", "/oauth2/token", raw, content_type=FORM)

    async def token(self, scope: str | None = None) -> str:
        """Return a fresh token."""
        reply = await self.ask_token(scope=scope)
        assert reply.status == 200, reply.raw
        return str(reply.body["access_token"])

    async def with_token(
        self, token: str, method: str, path: str, raw: bytes | None = None, **more: object
    ) -> Reply:
        """Send with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.send(method, path, raw, headers=headers, **more)  # type: ignore[arg-type]  # as above

    def assertion(self, header: Mapping[str, object] | None = None, **changed: object) -> str:
        """Return an assertion signed by this client's key; a claim that is None is left out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.credentials.client_id,
            "sub": self.credentials.client_id,
            "aud": self.credentials.audience,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(16),
        } | changed
        parts: list[Mapping[str, object]] = [
            {"alg": self.credentials.algorithm, "typ": "JWT"} | dict(header or {}),
            {name: value for name, value in claims.items() if value is not None},
        ]
        signed = ".".join(b64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{b64(self.credentials.sign(signed.encode('ascii')))}"


@asynccontextmanager
async def raw_client(credentials: Credentials) -> AsyncIterator[RawClient]:
    """Hold connections by this client's certificate."""
    connector = aiohttp.TCPConnector(ssl=credentials.tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield RawClient(credentials, session)
