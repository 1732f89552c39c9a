"""Back-office systems registered at gateways of a test network, as their operators would."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gateway.app.backoffice import issuer_of
from gateway.app.credentials import Place, issue_credentials, load_credentials
from gateway.client import BackofficeClient, Credentials
from gateway.demo import cast
from gateway.domain.client import ANY
from gateway.domain.scopes import SCOPES
from tests.e2e.parties import Network
from tests.tools.ports import HOST

BACKOFFICE = "backoffice"


def address_of(network: Network, name: str) -> str:
    """Where a gateway's back-office listener is."""
    party = network.parties[name]
    served = dict(zip((spec.name for spec in party.role.listeners), party.listeners, strict=True))
    return f"https://{HOST}:{served[BACKOFFICE].address[1]}"


async def register(
    network: Network,
    name: str,
    client_id: str,
    *,
    scopes: Iterable[str] = SCOPES,
    with_secret: bool = False,
    **changed: object,
) -> Path:
    """Register a client at a gateway and return its credentials file."""
    party = network.parties[name]
    keys = party.settings.network.keys_dir
    issued = issue_credentials(
        keys,
        client_id,
        target=network.folder / "clients" / name / client_id,
        place=Place(url=address_of(network, name), issuer=issuer_of(cast.NETWORK, name)),
        now=datetime.now(UTC),
        with_secret=with_secret,
    )
    arguments: dict[str, object] = {
        "client_id": client_id,
        "system": "tests",
        "scopes": sorted(scopes),
        "procedures": [ANY],
        "information": [ANY],
        "departments": [ANY],
        "may_ask": True,
        "may_supply": True,
        "certificate_uri": issued.certificate.uri,
        "proof": issued.proof,
    }
    await party.role.commands["clients-add"](arguments | changed)
    return issued.file


async def a_client(network: Network, name: str, client_id: str, **changed: object) -> Credentials:
    """Register a client and return what it signs in with."""
    file = await register(network, name, client_id, **changed)  # type: ignore[arg-type]  # as above
    return load_credentials(file)


def client(credentials: Credentials, *, scope: str | None = None) -> BackofficeClient:
    """Return a client over the network."""
    return BackofficeClient(credentials, scope=scope)
