"""The reference for the disclosure system's connection: every party that knows a person is asked.

Who the person is, and that they asked for it, was established by whoever calls. That the core
looked is recorded before anybody is asked; what the parties give is kept nowhere.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from certs.errors import CertsError
from certs.sealing import SALT_BYTES, pack_code, unpack_answer
from codes.canonical import b64
from codes.errors import CodesError
from codes.numbers import ResidentCode
from gateway.core.code_book import CodeBook
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.disclose_to_system import PURPOSE, WHAT
from gateway.flows.disclosed_exchanges import first_page
from gateway.flows.exchanges_about import PeriodAsked
from gateway.flows.record_types import Draft, Recorded, SearchColumns, new_id
from gateway.flows.sealed import Openers, key_to_wire, sealed_to_wire, start_sealing
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import core_codes
from gateway.wire.codec import decode_json
from gateway.wire.disclosures import (
    DisclosedPage,
    DisclosuresAnswer,
    DisclosuresRequest,
    DisclosureWanted,
    ExchangeOfParty,
    MergedDisclosure,
    PartyAsked,
)

PATH: Final = "/v1/disclosures"
SOURCE: Final = "disclosure-system"
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureOf:
    """Whose exchanges, requested when; the answer begins with those from `page_from` on."""

    resident_code: ResidentCode = field(repr=False)
    period: PeriodAsked
    page_from: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return period and page as the wire and the record have them."""
        page = {} if self.page_from is None else {"page_from": self.page_from}
        return self.period.as_json() | page


class DisclosureDesk:
    """Asks gateways what a person may see of their records."""

    def __init__(self, context: Context, codes: CodeBook) -> None:
        self._context = context
        self._codes = codes

    async def ask(self, asked: DisclosureOf) -> MergedDisclosure:
        """Return what every organisation gives that holds a code for the person.

        One that gives nothing is named with its problem: without it the answer is not whole.
        """
        self._context.trust.require_fresh(self._context.clock.now())
        asked.period.check()
        met = self._codes.meet(asked.resident_code)
        async with self._context.database.read() as connection:
            person = (await core_codes.people(connection, [met.lookup])).get(met.lookup)
            holders = [] if person is None else await core_codes.holding(connection, person)
        await self._record(asked, person, holders)
        if person is None:
            return MergedDisclosure(exchanges=[], parties=[])
        places = asyncio.Semaphore(AT_ONCE)

        async def ask_one(organisation: str) -> DisclosedPage | PartyAsked:
            async with places:
                try:
                    return await self._ask(organisation, person, asked)
                except SekishoError as error:
                    return PartyAsked(organisation=organisation, problem=error.problem)
                except CertsError as error:
                    # Listed no more, or without a key in force.
                    return PartyAsked(organisation=organisation, problem=error.reason)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask_one(organisation)) for organisation in holders]
        return merge([task.result() for task in tasks])

    async def _ask(self, organisation: str, person: bytes, asked: DisclosureOf) -> DisclosedPage:
        request_id = new_id()
        binding = bytes.fromhex(request_id)
        sealer = start_sealing(self._context.trust, PURPOSE, recipient=organisation)
        code = self._codes.code_of(person, organisation)
        sealed = sealer.seal(
            pack_code(secrets.token_bytes(SALT_BYTES), code.raw),
            inquiry_leaf=binding,
            permit_id=None,
        )
        period = asked.period.as_json()
        item = DisclosureWanted(
            request_id=request_id,
            code=sealed_to_wire(sealed, key=0),
            since=_text(period.get("since")),
            until=_text(period.get("until")),
            page_from=asked.page_from,
        )
        message = DisclosuresRequest(keys=[key_to_wire(sealer.header)], items=[item])
        answer = await self._context.peers.post(organisation, PATH, message, DisclosuresAnswer)
        page = self._opened(organisation, request_id, answer)
        check_page(page, asked)
        return page

    def _opened(
        self, organisation: str, request_id: str, answer: DisclosuresAnswer
    ) -> DisclosedPage:
        (result,) = answer.results if len(answer.results) == 1 else (None,)
        if result is not None and result.problem is not None:
            raise ItemRefusedError(result.problem)
        if result is None or result.result is None or result.result.request_id != request_id:
            raise PeerProtocolError("disclosures: not what was asked for")
        openers = Openers(self._context.trust, answer.keys, sender=organisation, purpose=PURPOSE)
        plaintext = openers.open(
            result.result.page, binding=bytes.fromhex(request_id), permit_id=None
        )
        try:
            page = decode_json(unpack_answer(plaintext)[1], DisclosedPage)
        except (CertsError, CodesError, SekishoError):
            raise PeerProtocolError("disclosures: no page") from None
        if page.organisation != organisation:
            raise PeerProtocolError("disclosures: another organisation's page")
        return page

    async def _record(self, asked: DisclosureOf, person: bytes | None, holders: list[str]) -> None:
        known: dict[str, object] = {} if person is None else {"person": b64(person)}
        draft = Draft(
            kind="records-read",
            members={},
            private={"what": WHAT, "asked": asked.as_json(), "organisations": holders} | known,
            search=SearchColumns(subject=person),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome


def check_page(page: DisclosedPage, asked: DisclosureOf) -> None:
    """Refuse a page that is out of order or goes on from nowhere: nobody would ever be done."""
    moments = [one.requested_at for one in page.exchanges]
    is_in_place = asked.page_from is None or not moments or asked.page_from <= moments[0]
    goes_on = page.next is None or (bool(moments) and moments[-1] < page.next)
    if moments != sorted(moments) or not is_in_place or not goes_on:
        raise PeerProtocolError("disclosures: no such page")


def merge(answers: Sequence[DisclosedPage | PartyAsked]) -> MergedDisclosure:
    """Return the exchanges of all up to where the first of them was cut."""
    pages = [one for one in answers if isinstance(one, DisclosedPage)]
    border = min((page.next for page in pages if page.next is not None), default=None)
    exchanges = sorted(
        chain.from_iterable(
            (
                ExchangeOfParty(organisation=page.organisation, exchange=one)
                for one in page.exchanges
                if border is None or one.requested_at < border
            )
            for page in pages
        ),
        key=lambda one: (one.requested_at, one.organisation),
    )
    first, more_from = first_page(exchanges)
    return MergedDisclosure(
        exchanges=first,
        parties=[_party(one) for one in answers],
        next=more_from or border,
    )


def _party(one: DisclosedPage | PartyAsked) -> PartyAsked:
    if isinstance(one, PartyAsked):
        return one
    return PartyAsked(
        organisation=one.organisation,
        title=one.title,
        made_at=one.made_at,
        erased_through=one.erased_through,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
