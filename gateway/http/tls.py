"""TLS of a listener that can be changed while it runs; refused handshakes are counted."""

import ssl
from collections.abc import Callable

from certs.tls import ReplaceableContext
from gateway.metrics import HTTP_CONNECTIONS_REFUSED

Keeps = Callable[[str], bool]


class TlsSource:
    """The TLS of one listener, replaced when the directory or a certificate changes."""

    def __init__(self, context: ssl.SSLContext, *, listener: str) -> None:
        self._listener = listener
        self._replaceable = ReplaceableContext(context, on_refused=self._count)
        self._watchers: list[Callable[[Keeps], None]] = []

    @property
    def front(self) -> ssl.SSLContext:
        """Return the context to listen with, for good: it hands over to the newest one."""
        return self._replaceable.front

    def replace(self, context: ssl.SSLContext, *, keeps: Keeps) -> None:
        """Use another context of the same maker for new connections.

        Of the open ones those end, after the request they are in, whose client certificate
        (SHA-256, hex) `keeps` does not want any more.
        """
        self._replaceable.replace(context)
        for watcher in self._watchers:
            watcher(keeps)

    def watch(self, watcher: Callable[[Keeps], None]) -> None:
        """Call `watcher` after every change."""
        self._watchers.append(watcher)

    def _count(self, _reason: str) -> None:
        HTTP_CONNECTIONS_REFUSED.labels(listener=self._listener, reason="handshake").inc()
