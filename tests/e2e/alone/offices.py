"""Security officers at both ends of an exchange, and what their records hold."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codes.numbers import UnifiedNumber
from gateway.cli.staff_client import Answer
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.flows.inquire import InquiryOrder
from gateway.flows.record_read import OpenedEntry, RecordReader
from gateway.storage.records import find_by_permit
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import Person, a_person, first_account, fresh
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE


@dataclass(frozen=True, kw_only=True)
class Office:
    """A security officer at one of the two ends."""

    network: Network
    at: str
    root: Person
    officer: Person

    @property
    def context(self) -> Context:
        return self.network.gateway(self.at).context

    async def correct(
        self, entry_id: str, members: Mapping[str, object], ground: str = "own-finding"
    ) -> Answer:
        body = {
            "credential": await fresh(self.network, self.officer, self.at),
            "members": members,
            "ground": ground,
        }
        return await self.officer.post(f"/v1/records/{entry_id}/corrections", body)

    async def show(self, entry_id: str) -> dict[str, Any]:
        answer = await self.officer.get(f"/v1/records/{entry_id}")
        assert answer.status == 200, answer.body
        return answer.body

    async def entry(self, permit_id: str, kind: str) -> OpenedEntry:
        """The newest entry of a kind about a permit, opened."""
        return (await entries(self.context, permit_id, kind))[-1]


async def entries(context: Context, permit_id: str, kind: str) -> list[OpenedEntry]:
    reader = RecordReader(
        database=context.database,
        organisation=context.trust.organisation,
        keys=context.vault.keys,
    )
    async with context.database.read() as connection:
        stored = await find_by_permit(connection, [permit_id])
    return [reader.open(one) for one in stored if one.kind == kind]


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():
            await asyncio.sleep(0.05)


async def both_offices(network: Network) -> dict[str, Office]:
    """An administrator and a security officer at the inquirer and at the provider, signed in."""
    found = {}
    for name in (UNION, NAGAOKA):
        root = await (await first_account(network, name)).sign_in()
        officer = await (await a_person(root, "sora", "security-officer")).sign_in()
        found[name] = Office(network=network, at=name, root=root, officer=officer)
    return found


async def somebody(people: People) -> UnifiedNumber:
    """Somebody whom both ends know, with a replica at the provider."""
    found = await people.add(organisations=(UNION, NAGAOKA))
    await people.put_replica(NAGAOKA, found, TAX, {"XTK0000010000003": 3500})
    return found


async def an_exchange(
    network: Network, number: UnifiedNumber, *, order: InquiryOrder | None = None
) -> str:
    """Ask about somebody; return the permit when there is an answer."""
    inquire = network.gateway(UNION).flows.inquire
    inquiry_id = await inquire.begin(order or an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    row = (await inquire.find(inquiry_id, REGISTRATION)).row
    assert row.permit_id is not None
    return row.permit_id


async def inquiry_of(office: Office, permit_id: str) -> str:
    """The entry that asked, which does not name the permit that came of it."""
    async with office.context.database.read() as connection:
        found: str = await connection.fetchval(
            "SELECT entry_id FROM inquiries WHERE permit_id = $1", permit_id
        )
    return found
