"""Every route of the network listeners, and who of the network may ask for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from certs.own_keys import CertificateFiles, PrivateKeySet
from gateway.demo import cast
from tests.e2e.parties import Network

_CALLERS = {
    "network:gateway": cast.GUNMA_UNION,
    "network:member": cast.GUNMA_UNION,
    "network:core": cast.CORE,
    "network:resident-network": cast.RESIDENT_NETWORK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRoute:
    """One operation of a party's network listener, as its OpenAPI document says."""

    party: str
    method: str
    path: str
    caller: str
    operation: Mapping[str, Any]
    schema: Mapping[str, Any] | None
    components: Mapping[str, Any]

    def statuses(self) -> set[int]:
        """Return the statuses that the document promises."""
        return {int(status) for status in self.operation["responses"]}


def network_routes(network: Network, *parties: str) -> Iterator[NetworkRoute]:
    """Yield what these parties answer members of the network."""
    for party in parties:
        document = documents(network, party)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                body = operation.get("requestBody", {}).get("content", {})
                yield NetworkRoute(
                    party=party,
                    method=method.upper(),
                    path=path,
                    caller=_CALLERS[operation["x-permission"]],
                    operation=operation,
                    schema=body.get("application/json", {}).get("schema"),
                    components=document["components"],
                )


def documents(network: Network, party: str) -> dict[str, Any]:
    """Return the OpenAPI document of a party's network listener."""
    listener = next(
        spec for spec in network.parties[party].role.listeners if spec.name == "network"
    )
    return _document(listener.application)


def certificate_of(network: Network, name: str) -> CertificateFiles:
    """Return certificate and key of any member, also of one that does not run."""
    return PrivateKeySet.load(
        network.folder / "network" / "organisations" / name / "keys"
    ).network_certificate


def _document(application: Any) -> dict[str, Any]:
    for route in application.router.routes():
        for cell in getattr(route.handler, "__closure__", None) or ():
            if isinstance(cell.cell_contents, bytes):
                document: dict[str, Any] = msgspec.json.decode(cell.cell_contents)
                return document
    raise AssertionError("no OpenAPI document")
