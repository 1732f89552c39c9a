"""A listener over real sockets and TLS: its limits, its changes, its end."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from certs.certificates import CertificateAuthority
from certs.own_keys import CertificateFiles
from certs.tls import backoffice_server_context, listener_client_context
from gateway.app.listener import Listener, bind, refuse_taken
from gateway.app.roles import ListenerSpec
from gateway.errors import ConfigurationError
from gateway.http.application import build_application
from gateway.http.peer import peer_certificate
from gateway.http.routes import PUBLIC, Call, Permission, Route
from gateway.http.tls import TlsSource
from gateway.settings import HttpLimits

NOW = datetime.now(UTC)


class Who(msgspec.Struct, frozen=True):
    sha256: str
    uris: tuple[str, ...]


class Gate:
    """Lets a slow request be met half way."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()


async def who(call: Call[Gate, None]) -> Who:
    peer = peer_certificate(call.request)
    return Who(peer.sha256, peer.uris)


async def quick(_call: Call[Gate, None]) -> None:
    return None


async def slow(call: Call[Gate, None]) -> None:
    call.services.entered.set()
    await call.services.opened.wait()


ROUTES = tuple(
    Route(
        method="GET",
        path=f"/{handler.__name__}",
        handler=handler,
        permission=PUBLIC,
        summary="",
        response=response,
    )
    for handler, response in ((who, Who), (quick, None), (slow, None))
)


async def _anybody(_request: web.Request, _permission: Permission) -> None:
    return None


@dataclass
class Keys:
    """A CA with one server and one client certificate, as files."""

    ca: Path
    server: CertificateFiles
    client: CertificateFiles

    def server_context(self, ca: Path | None = None) -> ssl.SSLContext:
        return backoffice_server_context(self.server, ca=ca or self.ca)

    def client_context(self, own: CertificateFiles | None) -> ssl.SSLContext:
        return listener_client_context(ca=self.ca, own=own)


def make_keys(folder: Path) -> Keys:
    folder.mkdir()
    authority = CertificateAuthority.create("backoffice CA", now=NOW)
    server = authority.issue_server("server", hosts=["127.0.0.1", "localhost"], now=NOW)
    client = authority.issue_client("client", uri="urn:sekisho:test:client:zeimu", now=NOW)
    files = {}
    for name, issued in (("server", server), ("client", client)):
        files[name] = CertificateFiles(
            certificate=folder / f"{name}.pem", key=folder / f"{name}.key"
        )
        files[name].store(issued.certificate, issued.key)
    CertificateFiles(certificate=folder / "ca.pem", key=folder / "ca.key").store(
        authority.certificate, authority.key
    )
    return Keys(ca=folder / "ca.pem", server=files["server"], client=files["client"])


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys")


@asynccontextmanager
async def serving(
    *, tls: TlsSource | None = None, drain_s: float = 5.0, **limits: object
) -> AsyncIterator[tuple[Listener, Gate]]:
    gate = Gate()
    application = build_application(
        ROUTES, listener="test", version="1", services=gate, authenticate=_anybody
    )
    spec = ListenerSpec(
        name="test",
        application=application,
        host="127.0.0.1",
        limits=msgspec.convert(limits, HttpLimits),
        tls=tls,
    )
    listener = Listener(spec, port=0, drain_s=drain_s)
    await listener.start()
    try:
        yield listener, gate
    finally:
        gate.opened.set()
        await listener.stop()


def url(listener: Listener, path: str, scheme: str = "http") -> str:
    host, port = listener.address
    return f"{scheme}://{host}:{port}{path}"


def refused(reason: str) -> float:
    labels = {"listener": "test", "reason": reason}
    return REGISTRY.get_sample_value("sekisho_http_connections_refused_total", labels) or 0.0


async def open_connections(count: int) -> None:
    """Return as soon as the listener has just so many."""
    async with asyncio.timeout(20):
        while REGISTRY.get_sample_value("sekisho_http_connections", {"listener": "test"}) != count:
            await asyncio.sleep(0.01)


async def talk(listener: Listener, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection(*listener.address)
    try:
        writer.write(sent)
        await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_the_certificate_of_the_caller_is_known(keys: Keys) -> None:
    tls = TlsSource(keys.server_context(), listener="test")
    async with serving(tls=tls) as (listener, _), aiohttp.ClientSession() as session:
        context = keys.client_context(keys.client)
        async with session.get(url(listener, "/who", "https"), ssl=context) as response:
            body = await response.json()

    assert body["uris"] == ["urn:sekisho:test:client:zeimu"]
    assert len(body["sha256"]) == 64


async def test_without_tls_nobody_is_known() -> None:
    async with (
        serving() as (listener, _),
        aiohttp.ClientSession() as session,
        session.get(url(listener, "/who")) as response,
    ):
        assert (await response.json())["type"] == "not-authenticated"


async def test_a_stranger_fails_in_the_handshake_and_is_counted(keys: Keys, tmp_path: Path) -> None:
    strangers = make_keys(tmp_path / "strangers")
    tls = TlsSource(keys.server_context(), listener="test")
    before = refused("handshake")
    async with serving(tls=tls) as (listener, _):
        for own in (None, strangers.client):
            reader, writer = await asyncio.open_connection(
                *listener.address, ssl=keys.client_context(own)
            )
            with pytest.raises(ssl.SSLError, match="ALERT"):
                await reader.read()
            writer.close()

    assert refused("handshake") == before + 2


async def test_a_new_context_counts_for_new_connections(keys: Keys, tmp_path: Path) -> None:
    others = make_keys(tmp_path / "others")
    tls = TlsSource(keys.server_context(), listener="test")
    async with serving(tls=tls) as (listener, _):
        address = url(listener, "/quick", "https")
        context = keys.client_context(keys.client)
        async with aiohttp.ClientSession() as old, aiohttp.ClientSession() as new:
            await old.get(address, ssl=context)
            tls.replace(keys.server_context(ca=others.ca), keeps=lambda _sha256: True)

            assert (await old.get(address, ssl=context)).status == 204
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await new.get(address, ssl=context)
            context = keys.client_context(others.client)
            assert (await new.get(address, ssl=context)).status == 204


async def test_a_connection_ends_when_its_certificate_is_not_kept(keys: Keys) -> None:
    tls = TlsSource(keys.server_context(), listener="test")
    async with serving(tls=tls) as (listener, _):
        reader, writer = await asyncio.open_connection(
            *listener.address, ssl=keys.client_context(keys.client)
        )
        writer.write(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")

        tls.replace(keys.server_context(), keeps=lambda _sha256: False)

        async with asyncio.timeout(20):
            await reader.read()
        writer.close()


async def test_a_connection_at_work_ends_after_its_response(keys: Keys) -> None:
    tls = TlsSource(keys.server_context(), listener="test")
    async with (
        serving(tls=tls) as (listener, gate),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        context = keys.client_context(keys.client)
        asked = group.create_task(
            _status_and_connection(session.get(url(listener, "/slow", "https"), ssl=context))
        )
        await gate.entered.wait()
        tls.replace(keys.server_context(), keeps=lambda _sha256: False)
        gate.opened.set()

        assert await asked == (204, "close")


async def _status_and_connection(
    asking: Awaitable[aiohttp.ClientResponse],
) -> tuple[int, str | None]:
    response = await asking
    return response.status, response.headers.get("Connection")


async def test_a_connection_lives_no_longer_than_it_may() -> None:
    async with serving(connection_life_s=0.1) as (listener, _):
        assert await talk(listener, b"") == b""


async def test_headers_that_drip_are_not_waited_for() -> None:
    async with serving(idle_s=0.1) as (listener, _):
        assert await talk(listener, b"GET /quick HTTP/1.1\r\nHost: a\r\nX-") == b""


async def test_an_idle_connection_is_closed() -> None:
    async with serving(idle_s=0.1) as (listener, _):
        answer = await talk(listener, b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 204")


async def test_one_connection_too_many_is_broken_off_and_counted() -> None:
    before = refused("connections-max")
    async with serving(connections_max=1) as (listener, _):
        _reader, writer = await asyncio.open_connection(*listener.address)
        await open_connections(1)

        assert await talk(listener, b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        writer.close()
        await open_connections(0)
        answer = await talk(
            listener, b"GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )

    assert answer.startswith(b"HTTP/1.1 204")
    assert refused("connections-max") == before + 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 123456789012345x\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 100 + b"\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 9000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_that_repeats_nothing(
    sent: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as (listener, _):
        answer = await talk(listener, sent)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"Server: sekisho" in head
    assert msgspec.json.decode(body)["type"] == "malformed-http"
    assert b"123456789012345" not in answer
    assert "123456789012345" not in capsys.readouterr().err


async def test_the_end_waits_for_the_request_at_hand_and_lets_nobody_in() -> None:
    async with (
        serving() as (listener, gate),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        asked = group.create_task(_status_and_connection(session.get(url(listener, "/slow"))))
        await gate.entered.wait()
        stopping = group.create_task(listener.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        with pytest.raises(OSError):  # noqa: PT011  # refused or reset, as the kernel likes
            await asyncio.open_connection(*listener.address)
        gate.opened.set()

        assert await asked == (204, "close")


async def test_the_end_does_not_wait_for_ever() -> None:
    async with (
        serving(drain_s=0.1) as (listener, gate),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        asked = group.create_task(_fails(session.get(url(listener, "/slow"))))
        await gate.entered.wait()

        async with asyncio.timeout(20):
            await listener.stop()

        assert await asked


async def _fails(asking: Awaitable[aiohttp.ClientResponse]) -> bool:
    try:
        await asking
    except aiohttp.ClientError:
        return True
    return False


def test_a_port_that_somebody_serves_is_not_shared() -> None:
    with bind("127.0.0.1", 0) as served:
        served.listen()
        port = served.getsockname()[1]

        with pytest.raises(ConfigurationError, match="in use"):
            refuse_taken("127.0.0.1", port)
        with bind("127.0.0.1", port):
            pass


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        bind("192.0.2.1", 0)
