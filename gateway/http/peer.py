"""Who is at the other end of the TLS connection, told by the certificate it proved to hold."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.errors import NotAuthenticatedError

_URI: Final = "URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificate:
    """The client certificate of a connection; trusted as far as the listener's context says."""

    sha256: str
    der: bytes
    uris: tuple[str, ...]


def peer_certificate(request: web.Request) -> PeerCertificate:
    """Return the client certificate of this request, or raise NotAuthenticatedError.

    Made anew for every request: what a certificate may do can end while a connection lives.
    """
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        raise NotAuthenticatedError("no TLS connection")
    der = tls.getpeercert(binary_form=True)
    if der is None:
        raise NotAuthenticatedError("no client certificate")
    return PeerCertificate(sha256=hashlib.sha256(der).hexdigest(), der=der, uris=_uris(tls))


def _uris(tls: ssl.SSLObject) -> tuple[str, ...]:
    names = (tls.getpeercert() or {}).get("subjectAltName", ())
    return tuple(
        str(name[1]) for name in names if isinstance(name, tuple) and name and name[0] == _URI
    )
