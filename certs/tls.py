"""TLS contexts (PROTOCOL §1, DESIGN §3): TLS 1.3 only, P-256, no tickets, pinned peers.

One maker for each listener and one for each peer. A context is never changed once made; when the
directory changes, a new one takes its place for connections from then on.
"""

import hashlib
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from certs.certificates import TlsCertificate
from certs.errors import TlsError
from certs.own_keys import CertificateFiles

CURVE: Final = "prime256v1"
ALPN: Final = ("http/1.1",)
OnRefused: TypeAlias = Callable[[str], None]
"""Told OpenSSL's reason (`CERTIFICATE_VERIFY_FAILED` …) of every handshake a listener refuses."""


class _AlertingConnection(ssl.SSLObject):
    """A listener's connection that says why it refuses before it closes.

    asyncio drops the connection on a failed handshake with the alert still unsent, and the peer
    would take the loss for one worth a retry. Asking for more input first sends the alert.
    """

    _refusal: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Shake hands; a refusal is raised on the second call, when its alert is on its way."""
        if self._refusal is not None:
            raise self._refusal
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            self._refusal = error
            self._tell(error.reason or "unknown")
            raise ssl.SSLWantReadError from error

    def _tell(self, reason: str) -> None:
        """Tell nobody; see `_alerting`."""


class ReplaceableContext:
    """A listener's context whose anchors may change while it listens.

    The listener holds `front` for good; every new connection is handed the newest context during
    its handshake. Connections that are open keep theirs: whoever replaces closes them.
    """

    __slots__ = ("_current", "front")

    def __init__(self, context: ssl.SSLContext, *, on_refused: OnRefused | None = None) -> None:
        self._current = context
        # The front has neither certificate nor anchors: were it not replaced, nobody would get
        # in. How strictly to look is fixed when a connection begins, so the front says it too.
        self.front: Final = _bare(ssl.PROTOCOL_TLS_SERVER)
        self.front.verify_mode = context.verify_mode
        self.front.verify_flags = context.verify_flags
        self.front.sni_callback = self._hand_over
        self.front.sslobject_class = _alerting(on_refused)

    def replace(self, context: ssl.SSLContext) -> None:
        """Use `context`, made by the same maker, for every handshake that begins from now on."""
        if (context.verify_mode, context.verify_flags) != (
            self.front.verify_mode,
            self.front.verify_flags,
        ):
            raise TlsError("another-maker", "context")
        self._current = context

    def _hand_over(
        self, connection: ssl.SSLObject, _server_name: str | None, _front: ssl.SSLContext
    ) -> None:
        connection.context = self._current


def network_server_context(
    own: CertificateFiles, anchors: Sequence[TlsCertificate]
) -> ssl.SSLContext:
    """Return the network listener's context: only these certificates get through a handshake.

    TLS knows that somebody on the network is there; who it is says `peer_certificate_sha256`,
    looked up in the directory on every request.
    """
    context = _server(own)
    _pin(context, anchors)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def network_client_context(
    own: CertificateFiles, anchors: Sequence[TlsCertificate]
) -> ssl.SSLContext:
    """Return the context for calls to one peer; `anchors` are that peer's certificates alone.

    One context a peer: with everybody's anchors Python would accept any organisation's
    certificate that names the same host.
    """
    context = _client()
    _load(context, own)
    _pin(context, anchors)
    return context


def backoffice_server_context(own: CertificateFiles, *, ca: Path) -> ssl.SSLContext:
    """Return the back-office listener's context: a client certificate of its own CA is required."""
    return _ca_server(own, ca, mode=ssl.CERT_REQUIRED)


def staff_server_context(
    own: CertificateFiles, *, ca: Path, require_certificate: bool = False
) -> ssl.SSLContext:
    """Return the staff listener's context; a site may ask for client certificates as well."""
    if require_certificate:
        return _ca_server(own, ca, mode=ssl.CERT_REQUIRED)
    return _server(own)


def ops_server_context(own: CertificateFiles) -> ssl.SSLContext:
    """Return a context for an operations listener outside loopback: no client certificate."""
    return _server(own)


def listener_client_context(*, ca: Path, own: CertificateFiles | None = None) -> ssl.SSLContext:
    """Return the context of a caller of a back-office or staff listener, trusting its CA alone."""
    context = _client()
    _trust_ca(context, ca)
    if own is not None:
        _load(context, own)
    return context


def peer_certificate_sha256(connection: ssl.SSLObject | ssl.SSLSocket | None) -> str:
    """Return the hex SHA-256 of the peer's certificate, or raise `TlsError` if it showed none."""
    certificate = connection.getpeercert(binary_form=True) if connection is not None else None
    if not certificate:
        raise TlsError("no-client-certificate", "connection")
    return hashlib.sha256(certificate).hexdigest()


def is_authentication_failure(error: BaseException) -> bool:
    """Tell whether a failed call was refused by TLS, so that it must never be tried again.

    In TLS 1.3 the server looks at the client's certificate after the client's handshake is
    done: a missing or foreign one shows as an alert on the first read.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError) or (
            isinstance(cause, ssl.SSLError) and "ALERT" in (getattr(cause, "reason", None) or "")
        ):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def _server(own: CertificateFiles) -> ssl.SSLContext:
    context = _bare(ssl.PROTOCOL_TLS_SERVER)
    _load(context, own)
    return context


def _ca_server(own: CertificateFiles, ca: Path, *, mode: ssl.VerifyMode) -> ssl.SSLContext:
    context = _server(own)
    _trust_ca(context, ca)
    context.verify_mode = mode
    return context


def _client() -> ssl.SSLContext:
    # PROTOCOL_TLS_CLIENT checks host name and certificate unless told otherwise.
    return _bare(ssl.PROTOCOL_TLS_CLIENT)


def _bare(protocol: ssl._SSLMethod) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve(CURVE)
    context.set_alpn_protocols(list(ALPN))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    if protocol is ssl.PROTOCOL_TLS_SERVER:
        # A resumed session would skip the look at certificates the directory has dropped since.
        context.num_tickets = 0
        context.sslobject_class = _AlertingConnection
    return context


def _alerting(on_refused: OnRefused | None) -> type[ssl.SSLObject]:
    if on_refused is None:
        return _AlertingConnection
    tell: OnRefused = on_refused

    class Counted(_AlertingConnection):
        def _tell(self, reason: str) -> None:
            tell(reason)

    return Counted


def _load(context: ssl.SSLContext, own: CertificateFiles) -> None:
    try:
        context.load_cert_chain(own.certificate, own.key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError("certificate-unreadable", own.certificate.name) from error


def _trust_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsError("certificate-unreadable", ca.name) from error


def _pin(context: ssl.SSLContext, anchors: Sequence[TlsCertificate]) -> None:
    if not anchors:
        raise TlsError("no-anchor", "nobody to trust")
    # A pinned end certificate is an anchor itself, though no CA made it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join(anchor.der for anchor in anchors))
