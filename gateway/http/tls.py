"""TLS of a listener that can be changed while it runs, and the count of failed handshakes."""

import ssl
from collections.abc import Callable

from gateway.metrics import HTTP_CONNECTIONS_REFUSED

Keeps = Callable[[str], bool]


class TlsSource:
    """The SSL context a listener uses now; replaced when the directory or a certificate changes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._watchers: list[Callable[[Keeps], None]] = []

    def replace(self, context: ssl.SSLContext, *, keeps: Keeps) -> None:
        """Use another context for new connections.

        Of the open ones those end, after the request they are in, whose client certificate
        (SHA-256, hex) `keeps` does not want any more.
        """
        self.context = context
        for watcher in self._watchers:
            watcher(keeps)

    def watch(self, watcher: Callable[[Keeps], None]) -> None:
        """Call `watcher` after every change."""
        self._watchers.append(watcher)


def count_failures(context: ssl.SSLContext, listener: str) -> None:
    """Count the handshakes that fail under this context; asyncio by itself keeps them quiet."""

    class CountedHandshake(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                HTTP_CONNECTIONS_REFUSED.labels(listener=listener, reason="handshake").inc()
                raise

    context.sslobject_class = CountedHandshake
