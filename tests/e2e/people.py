"""People put where the acquisition of codes and the load of replicas would put them."""

import secrets
from datetime import date

import msgspec

from certs.keystore import KeyStore
from codes.network_code import NetworkCode
from codes.numbers import ResidentCode, UnifiedNumber
from gateway.core.code_book import CodeBook
from gateway.flows.record_types import Draft, new_id
from gateway.storage import replicas
from gateway.storage.network_codes import NUMBER, TABLE, CodeLinked
from tests.e2e.parties import Network

YEAR = 2026


class People:
    """Knows everybody's codes, as the core does."""

    def __init__(self, network: Network, core_keys: KeyStore) -> None:
        self._network = network
        self._book = CodeBook(core_keys)
        self._persons: dict[str, bytes] = {}
        self._residents: dict[str, ResidentCode] = {}

    async def add(self, *, organisations: tuple[str, ...]) -> UnifiedNumber:
        """Return a new person whom these organisations have a code for, under one number."""
        number = UnifiedNumber.parse(f"{secrets.randbelow(10**15):015d}")
        resident = ResidentCode.parse(f"{secrets.randbelow(10**11):011d}")
        person = self._book.meet(resident).person
        self._persons[number.text] = person
        self._residents[number.text] = resident
        for name in organisations:
            code = self._book.code_of(person, name)
            await self._link(name, number, code)
            await self._hold(person, name)
        return number

    async def meet(self, number: UnifiedNumber) -> ResidentCode:
        """Return somebody's resident-record code, under which the core knows them from now on."""
        resident = self._residents[number.text]
        async with self._network.core_database.read() as connection:
            await connection.execute(
                "INSERT INTO core_people (lookup, person) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                self._book.meet(resident).lookup,
                self._persons[number.text],
            )
        return resident

    def code(self, number: UnifiedNumber, organisation: str) -> NetworkCode:
        """Return the code under which an organisation knows, or would know, this person."""
        return self._book.code_of(self._persons[number.text], organisation)

    async def _hold(self, person: bytes, name: str) -> None:
        async with self._network.core_database.read() as connection:
            await connection.execute(
                "INSERT INTO core_holders (person, organisation) VALUES ($1, $2)", person, name
            )

    async def _link(self, name: str, number: UnifiedNumber, code: NetworkCode) -> None:
        context = self._network.gateway(name).context
        vault = context.vault
        subject = vault.subject(number)
        effect = CodeLinked(
            subject=subject,
            number_box=vault.seal(TABLE, NUMBER, YEAR, subject.hex(), number.text.encode()),
            code=vault.stored_code(code),
            key_year=YEAR,
        )
        draft = Draft(kind="code-linked", members={}, private={}, effects=(effect,))
        await context.writer.append([draft], source="test")

    async def put_replica(
        self,
        name: str,
        number: UnifiedNumber,
        term: str,
        items: dict[str, object],
        *,
        published: tuple[date, date | None] = (date(2020, 1, 1), None),
        period: tuple[date | None, date | None] = (None, None),
    ) -> None:
        """Publish one record about a person, by default for good and about no certain time."""
        vault = self._network.gateway(name).context.vault
        subject = vault.subject(number)
        key = new_id()[:8]
        box = vault.seal(
            replicas.TABLE,
            replicas.ITEMS,
            YEAR,
            replicas.place(subject, term, key),
            msgspec.json.encode(items),
            generation=0,
        )
        async with self._network.gateway(name).context.database.read() as connection:
            await connection.execute(
                "INSERT INTO replica_batches (batch_id, client_id, kind, term, layout, generation,"
                " state, applied_at) VALUES (repeat('0', 32), 'tests', 'initial', '', '1', 0,"
                " 'applied', now()) ON CONFLICT DO NOTHING"
            )
            await connection.execute(
                "INSERT INTO replicas (subject, term, record_key, generation,"
                " published_from, published_until, period_from, period_to, key_year, items_box)"
                " VALUES ($1,$2,$3,0,$4,$5,$6,$7,$8,$9)",
                subject,
                term,
                key,
                *published,
                *period,
                YEAR,
                box,
            )
