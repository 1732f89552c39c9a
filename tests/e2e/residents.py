"""The resident network's stand-in beside a running network, and a registry that goes there."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec

from certs.own_keys import certificate_files, load_ca
from certs.tls import listener_client_context
from codes.numbers import my_number_check_digit
from gateway.clock import SystemClock
from gateway.core.resident_routes import registry_uri
from gateway.demo import cast
from gateway.wire.codes import Lookup, LookupsRequest, NumbersAnswer
from tests.e2e.parties import Network, a_party, a_worker, settings_of

BACKOFFICE = "backoffice"


@dataclass(frozen=True, kw_only=True)
class Residents:
    """The stand-in as registries meet it."""

    url: str
    network: Network
    load: object

    async def add(self) -> str:
        """Return the My Number of somebody new."""
        digits = f"{secrets.randbelow(10**11):011d}"
        number = digits + my_number_check_digit(digits)
        code = f"{secrets.randbelow(10**11):011d}"
        await self.load({"residents": [[number, code]]})  # type: ignore[operator]  # a command
        return number

    async def look_up(self, organisation: str, brought: Sequence[tuple[str, str]]) -> NumbersAnswer:
        """Bring acquisition numbers and My Numbers as an organisation's registry."""
        keys = self.network.parties[cast.NAGAOKA].settings.network.keys_dir.parents[1]
        keys = keys / cast.RESIDENT_NETWORK / "keys"
        files = certificate_files(self.network.folder / "registries" / organisation, "registry")
        if not files.key.exists():
            issued = load_ca(keys, BACKOFFICE).issue_client(
                f"{organisation} registry",
                uri=registry_uri(cast.NETWORK, organisation),
                now=datetime.now(UTC),
            )
            files.store(issued.certificate, issued.key)
        ca = certificate_files(keys, f"{BACKOFFICE}-ca").certificate
        message = LookupsRequest(
            items=[Lookup(acquisition_number=one, my_number=two) for one, two in brought]
        )
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=listener_client_context(ca=ca, own=files))
            ) as session,
            session.post(
                self.url + "/v1/lookups",
                data=msgspec.json.encode(message),
                headers={"Content-Type": "application/json"},
            ) as response,
        ):
            return msgspec.json.decode(await response.read(), type=NumbersAnswer)


@asynccontextmanager
async def resident_network(network: Network, dsn: str) -> AsyncIterator[Residents]:
    """Run the stand-in where the network's directory says it is."""
    directory = network.gateway(cast.NAGAOKA).context.trust.directory
    url = directory.organisation(cast.RESIDENT_NETWORK).url
    port = urlsplit(url).port
    assert port is not None
    name = cast.RESIDENT_NETWORK
    settings = settings_of(name, "resident-network", network.folder, {name: port})
    party = await a_party(a_worker(settings, dsn, SystemClock()), port)
    try:
        yield Residents(url=url, network=network, load=party.role.commands["residents-load"])
    finally:
        await party.stop()
