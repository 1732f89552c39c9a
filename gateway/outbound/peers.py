"""HTTP to other members of the network: one pool a peer, its certificates pinned, all bounded.

A pool lives at most ten minutes and ends when the directory changes for its peer (PROTOCOL §1).
"""

import asyncio
import io
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import aiohttp

from certs.errors import CertsError
from gateway.errors import InvalidRequestError
from gateway.outbound.errors import (
    MessageRefusedError,
    PeerNotAuthenticError,
    PeerProtocolError,
    PeerUnavailableError,
)
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.fields import BODY_BYTES_MAX, Message
from gateway.wire.problems import Problem

T = TypeVar("T")

POOL_LIFE_S: Final = 600.0
CONNECTIONS_MAX: Final = 4
CONNECT_S: Final = 5.0
ANSWER_S: Final = 20.0
PROBLEM_BYTES_MAX: Final = 64 * 1024
RETRY_AFTER_S_MAX: Final = 60
_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a peer is, and the context that trusts its current certificates and no others."""

    url: str
    context: ssl.SSLContext
    version: object
    """Changes when the directory changes for this peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a peer answered, and what its clock showed (whole seconds), if it said so."""

    body: bytes
    date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAnswer:
    """What a peer answered on a route that is not JSON: also a refusal, which is the caller's."""

    status: int
    media_type: str
    text: str


_Read = Callable[[aiohttp.ClientResponse], Awaitable[T]]


@dataclass(slots=True, kw_only=True)
class _Pool:
    session: aiohttp.ClientSession
    version: object
    born: float
    in_use: int = 0
    is_retired: bool = False


class Peers:
    """Everybody this organisation may call, by the name the directory gives them."""

    def __init__(self, route_of: Callable[[str], Route]) -> None:
        self._route_of = route_of
        self._pools: dict[str, _Pool] = {}

    async def post(self, organisation: str, path: str, message: Message, answer: type[T]) -> T:
        """Return the peer's 200 answer as `answer`.

        Raises `PeerUnavailableError`, `PeerNotAuthenticError`, `PeerProtocolError`, or
        `MessageRefusedError` for a 4xx.
        """
        fetched = await self._exchange(
            organisation, "POST", path, _whole(path, BODY_BYTES_MAX), body=encode_json(message)
        )
        try:
            return decode_json(fetched.body, answer)
        except InvalidRequestError as error:
            raise PeerProtocolError(f"{path}: {error.problem}") from None

    async def get(
        self, organisation: str, path: str, *, bytes_max: int = BODY_BYTES_MAX
    ) -> Fetched:
        """Return the body of the peer's 200 answer and the peer's clock; raises like `post`."""
        return await self._exchange(organisation, "GET", path, _whole(path, bytes_max))

    async def post_text(
        self, organisation: str, path: str, text: str, *, bytes_max: int
    ) -> TextAnswer:
        """Return the peer's answer to a text, 200 or a refusal (4xx), at most `bytes_max` long.

        Raises `PeerUnavailableError`, `PeerNotAuthenticError`, `PeerProtocolError`.
        """

        async def read(response: aiohttp.ClientResponse) -> TextAnswer:
            _require_settled(response, path)
            raw = await _read(response, bytes_max, path)
            return TextAnswer(
                status=response.status,
                media_type=response.content_type,
                text=raw.decode("utf-8", "replace"),
            )

        return await self._exchange(
            organisation, "POST", path, read, body=text.encode(), media_type=_TEXT
        )

    def retire_changed(self) -> None:
        """End the pools of peers that the directory changed for, idle connections at once."""
        for organisation, pool in tuple(self._pools.items()):
            if not self._is_current(organisation, pool):
                del self._pools[organisation]
                self._retire(pool)

    async def close(self) -> None:
        """Close every connection."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.session.close()

    async def _exchange(
        self,
        organisation: str,
        method: str,
        path: str,
        read: _Read[T],
        *,
        body: bytes | None = None,
        media_type: str = _JSON,
    ) -> T:
        route = self._route_of(organisation)
        # As a stream, so that a message of megabytes does not hold up the loop in one write.
        data = None if body is None else io.BytesIO(body)
        pool = self._pool(organisation, route)
        pool.in_use += 1
        try:
            async with pool.session.request(
                method,
                route.url + path,
                data=data,
                headers={"Content-Type": media_type},
                allow_redirects=False,
            ) as response:
                return await read(response)
        except aiohttp.ClientConnectorCertificateError:
            raise PeerNotAuthenticError(f"{organisation}: certificate not pinned") from None
        except aiohttp.ClientSSLError:
            raise PeerNotAuthenticError(f"{organisation}: TLS refused") from None
        except ssl.SSLError:
            # A TLS alert on the first read is a refusal of our certificate, never a retry.
            raise PeerNotAuthenticError(f"{organisation}: TLS alert") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise PeerNotAuthenticError(f"{organisation}: TLS alert") from None
            raise PeerUnavailableError(f"{organisation}: {type(error).__name__}") from None
        finally:
            pool.in_use -= 1
            if pool.is_retired and not pool.in_use:
                await pool.session.close()

    def _pool(self, organisation: str, route: Route) -> _Pool:
        pool = self._pools.get(organisation)
        now = time.monotonic()
        if pool is not None and pool.version == route.version and now - pool.born < POOL_LIFE_S:
            return pool
        if pool is not None:
            self._retire(pool)
        pool = _Pool(session=_session(route.context), version=route.version, born=now)
        self._pools[organisation] = pool
        return pool

    def _is_current(self, organisation: str, pool: _Pool) -> bool:
        try:
            return self._route_of(organisation).version == pool.version
        except CertsError:
            return False  # nobody's any more

    def _retire(self, pool: _Pool) -> None:
        """Close the pool now, or when the last message in flight has come back."""
        pool.is_retired = True
        if not pool.in_use:
            task = asyncio.get_running_loop().create_task(pool.session.close())
            task.add_done_callback(lambda _: None)


def _session(context: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS_MAX, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=ANSWER_S, connect=CONNECT_S),
        headers={"Accept": f"{_JSON}, {_TEXT}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
    )


def _whole(path: str, bytes_max: int) -> _Read[Fetched]:
    """Return what reads a 200 whole and raises anything else."""

    async def read(response: aiohttp.ClientResponse) -> Fetched:
        return Fetched(body=await _body_of(response, path, bytes_max), date=_date_of(response))

    return read


async def _body_of(response: aiohttp.ClientResponse, path: str, bytes_max: int) -> bytes:
    _require_settled(response, path)
    if response.status == 200:  # noqa: PLR2004 - HTTP's own word for done
        return await _read(response, bytes_max, path)
    raw = await _read(response, PROBLEM_BYTES_MAX, path)
    try:
        refusal = decode_json(raw, Problem)
    except InvalidRequestError:
        raise PeerProtocolError(f"{path}: status {response.status}") from None
    raise MessageRefusedError(refusal)


def _require_settled(response: aiohttp.ClientResponse, path: str) -> None:
    """Return quietly if the peer did it or refused it, else raise: it is busy, or odd."""
    if response.status in _BUSY:
        raise PeerUnavailableError(
            f"{path}: status {response.status}", retry_after_s=_retry_after(response)
        )
    if response.status != 200 and not 400 <= response.status < 500:  # noqa: PLR2004
        raise PeerProtocolError(f"{path}: status {response.status}")


async def _read(response: aiohttp.ClientResponse, bytes_max: int, path: str) -> bytes:
    length = 0
    chunks: list[bytes] = []
    async for chunk in response.content.iter_any():
        length += len(chunk)
        if length > bytes_max:
            response.close()
            raise PeerProtocolError(f"{path}: answer over {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _retry_after(response: aiohttp.ClientResponse) -> int:
    text = response.headers.get("Retry-After", "")
    return min(int(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() else 0


def _date_of(response: aiohttp.ClientResponse) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return date if date.utcoffset() is not None else None
