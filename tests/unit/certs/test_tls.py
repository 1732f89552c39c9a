"""TLS with real sockets on loopback: who gets in, who is called, and what is refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import TlsCertificate, issue_network_certificate, read_network_certificate
from certs.errors import TlsError
from certs.own_keys import CertificateFiles, load_ca
from certs.tls import (
    ReplaceableContext,
    backoffice_server_context,
    is_authentication_failure,
    listener_client_context,
    network_client_context,
    network_server_context,
    ops_server_context,
    peer_certificate_sha256,
    staff_server_context,
)
from tests.unit.certs.networks import Network, a_network

LOOPBACK = "127.0.0.1"
STARTED = datetime.now(UTC)


@pytest.fixture(scope="module")
def network() -> Network:
    return a_network(STARTED)


@asynccontextmanager
async def _listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Answer every connection with the SHA-256 of the certificate it showed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(1)
            connection = writer.get_extra_info("ssl_object")
            try:
                writer.write(peer_certificate_sha256(connection).encode())
            except TlsError as error:
                writer.write(error.reason.encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    # A refused handshake is the peer's failure: what the loop would log of it is expected here.
    loop.set_exception_handler(lambda _loop, _context: None)
    server = await asyncio.start_server(answer, LOOPBACK, 0, ssl=context)
    try:
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        loop.set_exception_handler(None)


async def _call(port: int, context: ssl.SSLContext, host: str = LOOPBACK) -> str:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(
            LOOPBACK, port, ssl=context, server_hostname=host
        )
        try:
            writer.write(b"?")
            await writer.drain()
            answer = await reader.read(64)
        finally:
            writer.close()
        if not answer:
            raise ConnectionResetError("closed without an answer")
        return answer.decode()


def _server(network: Network, name: str, *callers: str) -> ssl.SSLContext:
    anchors = [c for caller in callers for c in network.directory.certificates(caller)]
    return network_server_context(network.keys(name).network_certificate, anchors)


def _client(network: Network, name: str, *peers: str) -> ssl.SSLContext:
    anchors = [c for peer in peers for c in network.directory.certificates(peer)]
    return network_client_context(network.keys(name).network_certificate, anchors)


def _self_issued(
    place: Path, *, now: datetime, organisation: str = "nagaoka", network: str = "testnet"
) -> tuple[CertificateFiles, TlsCertificate]:
    issued = issue_network_certificate(
        network=network, organisation=organisation, role="gateway", hosts=[LOOPBACK], now=now
    )
    files = CertificateFiles(certificate=place / "c.pem", key=place / "private" / "k.pem")
    files.store(issued.certificate, issued.key)
    der = issued.certificate.public_bytes(Encoding.DER)
    pinned = read_network_certificate(
        der, network=network, organisation=organisation, role="gateway"
    )
    return files, pinned


async def test_a_pinned_peer_is_known_by_its_certificate(network: Network) -> None:
    async with _listening(_server(network, "union", "nagaoka", "core")) as port:
        shown = await _call(port, _client(network, "nagaoka", "union"))

    assert network.directory.organisation_by_certificate(shown).name == "nagaoka"


async def test_another_organisations_certificate_on_the_right_host_is_refused(
    network: Network,
) -> None:
    async with _listening(_server(network, "union", "nagaoka")) as port:
        with pytest.raises(ssl.SSLCertVerificationError) as refusal:
            await _call(port, _client(network, "nagaoka", "core"))

    assert is_authentication_failure(refusal.value)


async def test_a_pinned_certificate_on_another_host_name_is_refused(network: Network) -> None:
    async with _listening(_server(network, "union", "nagaoka")) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await _call(port, _client(network, "nagaoka", "union"), host="localhost")


async def test_a_stranger_is_refused(network: Network, tmp_path: Path) -> None:
    stranger, _ = _self_issued(tmp_path, now=STARTED)
    context = network_client_context(stranger, network.directory.certificates("union"))

    async with _listening(_server(network, "union", "nagaoka", "core")) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
            await _call(port, context)

    assert is_authentication_failure(refusal.value)


async def test_a_missing_client_certificate_shows_on_the_first_read(network: Network) -> None:
    context = _client(network, "nagaoka", "union")
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    bare.load_verify_locations(cadata=network.directory.certificates("union")[0].pem)

    async with _listening(_server(network, "union", "nagaoka")) as port:
        assert await _call(port, context)
        reader, writer = await asyncio.open_connection(
            LOOPBACK, port, ssl=bare, server_hostname=LOOPBACK
        )
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED") as refusal:
            await reader.read(1)
        writer.close()

    assert is_authentication_failure(refusal.value)


async def test_tls_1_2_is_refused(network: Network) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE

    async with _listening(_server(network, "union", "nagaoka")) as port:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await _call(port, old)


async def test_a_curve_other_than_p256_is_refused(network: Network) -> None:
    other = _client(network, "nagaoka", "union")
    other.set_ecdh_curve("secp384r1")

    async with _listening(_server(network, "union", "nagaoka")) as port:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            await _call(port, other)


async def test_an_expired_client_certificate_is_refused(network: Network, tmp_path: Path) -> None:
    expired, pinned = _self_issued(tmp_path, now=STARTED - timedelta(days=91))
    server = network_server_context(network.keys("union").network_certificate, [pinned])

    async with _listening(server) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
            await _call(
                port, network_client_context(expired, network.directory.certificates("union"))
            )

    assert is_authentication_failure(refusal.value)


async def test_an_expired_server_certificate_is_refused(network: Network, tmp_path: Path) -> None:
    expired, pinned = _self_issued(tmp_path, now=STARTED - timedelta(days=91))
    client = network_client_context(network.keys("union").network_certificate, [pinned])
    server = network_server_context(expired, network.directory.certificates("union"))

    async with _listening(server) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await _call(port, client)


async def test_no_session_is_resumed(network: Network) -> None:
    context = _client(network, "nagaoka", "union")

    async with _listening(_server(network, "union", "nagaoka")) as port:
        reader, writer = await asyncio.open_connection(
            LOOPBACK, port, ssl=context, server_hostname=LOOPBACK
        )
        writer.write(b"?")
        await reader.read(64)
        session = writer.get_extra_info("ssl_object").session
        writer.close()

    assert session is None or not session.has_ticket


async def test_anchors_change_while_the_listener_stays(network: Network) -> None:
    refused: list[str] = []
    replaceable = ReplaceableContext(
        _server(network, "union", "nagaoka"), on_refused=refused.append
    )
    nagaoka, core = _client(network, "nagaoka", "union"), _client(network, "core", "union")

    async with _listening(replaceable.front) as port:
        assert await _call(port, nagaoka)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _call(port, core)
        replaceable.replace(_server(network, "union", "core"))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _call(port, nagaoka)
        shown = await _call(port, core)

    assert network.directory.organisation_by_certificate(shown).name == "core"
    assert refused == ["CERTIFICATE_VERIFY_FAILED"] * 2


def test_a_listener_does_not_change_how_strictly_it_looks(network: Network) -> None:
    replaceable = ReplaceableContext(_server(network, "union", "nagaoka"))

    with pytest.raises(TlsError) as refusal:
        replaceable.replace(ops_server_context(network.keys("union").network_certificate))
    assert refusal.value.reason == "another-maker"


def test_a_context_that_trusts_nobody_is_not_made(network: Network) -> None:
    with pytest.raises(TlsError) as refusal:
        network_client_context(network.keys("union").network_certificate, [])
    assert refusal.value.reason == "no-anchor"


def test_a_missing_certificate_file_is_named(network: Network, tmp_path: Path) -> None:
    files = CertificateFiles(certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")

    with pytest.raises(TlsError) as own:
        ops_server_context(files)
    with pytest.raises(TlsError) as ca:
        backoffice_server_context(
            network.keys("union").listener_certificate("backoffice"), ca=tmp_path / "ca.pem"
        )
    assert {own.value.reason, ca.value.reason} == {"certificate-unreadable"}


async def test_back_office_clients_come_with_a_certificate_of_the_listeners_ca(
    network: Network, tmp_path: Path
) -> None:
    keys = network.keys("union")
    ca = keys.listener_ca("backoffice")
    issued = load_ca(keys.directory, "backoffice").issue_client(
        "tax", uri="urn:sekisho:testnet:union:client:tax", now=STARTED
    )
    own = CertificateFiles(certificate=tmp_path / "tax.pem", key=tmp_path / "private" / "tax.pem")
    own.store(issued.certificate, issued.key)
    server = backoffice_server_context(keys.listener_certificate("backoffice"), ca=ca)

    async with _listening(server) as port:
        assert len(await _call(port, listener_client_context(ca=ca, own=own))) == 64
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _call(port, listener_client_context(ca=ca))


async def test_a_client_of_another_listener_or_organisation_is_refused(
    network: Network, tmp_path: Path
) -> None:
    keys = network.keys("union")
    ca = keys.listener_ca("backoffice")
    server = backoffice_server_context(keys.listener_certificate("backoffice"), ca=ca)

    async with _listening(server) as port:
        for organisation, listener in (("union", "staff"), ("nagaoka", "backoffice")):
            authority = load_ca(network.keys(organisation).directory, listener)
            issued = authority.issue_client("tax", uri="urn:sekisho:x", now=STARTED)
            own = CertificateFiles(certificate=tmp_path / "x.pem", key=tmp_path / "private" / "x")
            own.store(issued.certificate, issued.key)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await _call(port, listener_client_context(ca=ca, own=own))


async def test_staff_need_no_certificate_unless_the_site_says_so(network: Network) -> None:
    keys = network.keys("union")
    own, ca = keys.listener_certificate("staff"), keys.listener_ca("staff")

    async with _listening(staff_server_context(own, ca=ca)) as port:
        assert await _call(port, listener_client_context(ca=ca)) == "no-client-certificate"
    async with _listening(staff_server_context(own, ca=ca, require_certificate=True)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _call(port, listener_client_context(ca=ca))


def test_no_connection_shows_no_certificate() -> None:
    with pytest.raises(TlsError) as refusal:
        peer_certificate_sha256(None)
    assert refusal.value.reason == "no-client-certificate"


def test_a_lost_connection_is_no_authentication_failure() -> None:
    error = ConnectionResetError("reset")
    error.__context__ = error

    assert not is_authentication_failure(error)
    assert not is_authentication_failure(ssl.SSLError(1, "something else"))
