"""Who is at the other end of the TLS connection, told by the certificate it proved to hold."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.errors import NotAuthenticatedError

_URI: Final = "URI"
_KNOWN_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificate:
    """The client certificate of a connection; trusted as far as the listener's context says."""

    sha256: str
    der: bytes
    uris: tuple[str, ...]


def peer_certificate(request: web.Request) -> PeerCertificate:
    """Return the client certificate of this request, or raise NotAuthenticatedError.

    Only what the certificate says is remembered; what it may do can end while a connection lives,
    and is asked for every request.
    """
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        raise NotAuthenticatedError("no TLS connection")
    der = tls.getpeercert(binary_form=True)
    if der is None:
        raise NotAuthenticatedError("no client certificate")
    found = _known.get(der)
    if found is None:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        sha256 = hashlib.sha256(der).hexdigest()
        found = _known[der] = PeerCertificate(sha256=sha256, der=der, uris=_uris(tls))
    return found


_known: Final[dict[bytes, PeerCertificate]] = {}


def _uris(tls: ssl.SSLObject) -> tuple[str, ...]:
    names = (tls.getpeercert() or {}).get("subjectAltName", ())
    return tuple(
        str(name[1]) for name in names if isinstance(name, tuple) and name and name[0] == _URI
    )
