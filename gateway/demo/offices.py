"""The back-office systems of the cast: registered by command, signed in through the SDK."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.client_keys import AssertionKey
from gateway.client import BackofficeClient, Credentials
from gateway.client.credentials import read_credentials
from gateway.demo import cast, commands
from gateway.demo.processes import Fleet, Running

REGISTRY: Final = "registry"
ASKS: Final = "asks"
SUPPLIES: Final = "supplies"
PROTECTS: Final = "protects"
_CREDENTIALS: Final = "credentials.json"
_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    REGISTRY: ("code:acquisitions:write", "code:acquisitions:read"),
    ASKS: ("inquiry:inquiries:write", "inquiry:inquiries:read", "policy:decisions:read"),
    SUPPLIES: ("replica:batches:write", "replica:batches:read"),
    PROTECTS: ("flag:flags:write", "flag:flags:read"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One system of one organisation: its client id, its name in Japanese, what it may do."""

    organisation: str
    client_id: str
    title: str
    does: tuple[str, ...]


REGISTRIES: Final = {
    name: Office(organisation=name, client_id="atena", title="統合宛名システム", does=(REGISTRY,))
    for name in cast.GATEWAYS
}
CITY_SYSTEM: Final = Office(
    organisation=cast.NAGAOKA,
    client_id="zeimu",
    title="税務システム",
    does=(ASKS, SUPPLIES, PROTECTS),
)
UNION_SYSTEM: Final = Office(
    organisation=cast.GUNMA_UNION, client_id="hokenryo", title="保険料システム", does=(ASKS,)
)
ACCOUNTS_SYSTEM: Final = Office(
    organisation=cast.DIGITAL_AGENCY, client_id="koza", title="口座登録システム", does=(SUPPLIES,)
)
BORDER_SYSTEM: Final = Office(
    organisation=cast.IMMIGRATION,
    client_id="shutsunyukoku",
    title="出入国記録システム",
    does=(SUPPLIES,),
)
OFFICES: Final = (
    *REGISTRIES.values(),
    CITY_SYSTEM,
    UNION_SYSTEM,
    ACCOUNTS_SYSTEM,
    BORDER_SYSTEM,
)


async def register(fleet: Fleet, offices: tuple[Office, ...] = OFFICES) -> None:
    """Register these systems at their gateways; each gets a certificate and a key of its own."""
    await asyncio.gather(*(_register(fleet[office.organisation], office) for office in offices))


async def _register(running: Running, office: Office) -> None:
    scopes = [scope for what in office.does for scope in _SCOPES[what]]
    options = [f"--{what}" for what in office.does if what in (ASKS, SUPPLIES)]
    await commands.told(
        "clients",
        "add",
        office.client_id,
        *options,
        *(part for scope in scopes for part in ("--scopes", scope)),
        *("--procedures", "*", "--information", "*", "--departments", "*"),
        *("--credentials", credentials_folder(running, office)),
        *("--config", running.instance.config),
    )


def credentials_folder(running: Running, office: Office) -> Path:
    """Return the folder with the system's certificate, key and credentials.json."""
    return running.instance.folder / "clients" / office.client_id


def credentials(running: Running, office: Office) -> Credentials:
    """Return what the system signs in with."""
    path = credentials_folder(running, office) / _CREDENTIALS
    key = read_credentials(path).assertion_key
    return Credentials.load(path, sign=None if key is None else AssertionKey.load(key).sign)


@asynccontextmanager
async def signed_in(
    fleet: Fleet, offices: tuple[Office, ...] = OFFICES
) -> AsyncIterator[dict[Office, BackofficeClient]]:
    """Hold a client for each of these systems."""
    async with AsyncExitStack() as stack:
        yield {
            office: await stack.enter_async_context(
                BackofficeClient(credentials(fleet[office.organisation], office))
            )
            for office in offices
        }
