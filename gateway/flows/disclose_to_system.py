"""`POST /v1/disclosures`: a person's exchanges, for the disclosure system (法31; TKM-07, TKM-08).

Who the person is, and that they asked, is the disclosure system's to establish. What it gets is
what staff would show; how much was left out goes into our record and nowhere else (個情法81).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from certs.errors import CertsError
from certs.sealing import SALT_BYTES, pack_answer, unpack_code
from codes.canonical import b64, instant, parse_instant
from codes.errors import CodesError
from codes.network_code import NetworkCode
from codes.tables import shipped
from gateway.errors import InvalidBodyError, SekishoError
from gateway.flows.context import Context
from gateway.flows.disclosed_exchanges import disclosed_exchange, first_page
from gateway.flows.erase_months import EraseMonths
from gateway.flows.exchanges_about import ExchangesAbout, ExchangesFound, PeriodAsked
from gateway.flows.fact_names import FactNames
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.sealed import (
    Openers,
    SealedInvalidError,
    key_to_wire,
    sealed_to_wire,
    start_sealing,
)
from gateway.wire.codec import encode_json
from gateway.wire.disclosures import (
    DisclosedPage,
    DisclosureGiven,
    DisclosuresRequest,
    DisclosureWanted,
)
from gateway.wire.network import Key

PURPOSE: Final = "disclosure"
WHAT: Final = "disclosure-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The answer to one message: each item's page sealed, or why it has none, in its order."""

    keys: list[Key]
    results: list[DisclosureGiven | SekishoError]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What one item is answered with once that is on record."""

    draft: Draft = field(repr=False)
    page: DisclosedPage = field(repr=False)


class DiscloseToSystem:
    """The gateway's end of disclosures that a person asked the disclosure system for."""

    def __init__(self, context: Context, erase_months: EraseMonths) -> None:
        self._context = context
        self._erase_months = erase_months
        self._exchanges = ExchangesAbout(context)

    async def give(self, sender: str, request: DisclosuresRequest) -> Given:
        """Return what the people of these codes may see; that somebody asked is recorded first.

        Raises `InvalidBodyError` where a request id stands twice.
        """
        self._context.trust.require_fresh(self._context.clock.now())
        if len({item.request_id for item in request.items}) < len(request.items):
            raise InvalidBodyError("disclosures: a request id twice", pointer="/items")
        openers = Openers(self._context.trust, request.keys, sender=sender, purpose=PURPOSE)
        made = await self._make_all(sender, request.items, openers)
        return self._sealed(sender, await self._record(sender, made))

    async def _make_all(
        self, sender: str, items: Sequence[DisclosureWanted], openers: Openers
    ) -> dict[str, _Made | SekishoError]:
        trust = self._context.trust
        names = FactNames.of(trust.directory, trust.law, shipped())
        erased_through = await self._erase_months.erased_through()
        made: dict[str, _Made | SekishoError] = {}
        for item in items:
            try:
                code = _code(item, openers)
                found = await self._exchanges.find(code, _period(item))
            except SekishoError as error:
                made[item.request_id] = error
                continue
            exchanges, more_from = first_page(
                [
                    disclosed_exchange(one, names)
                    for one in found.shown
                    if item.page_from is None or one.requested_at >= item.page_from
                ]
            )
            page = DisclosedPage(
                organisation=trust.organisation,
                title=trust.directory.organisation(trust.organisation).title,
                made_at=instant(self._context.clock.now()),
                exchanges=exchanges,
                erased_through=erased_through,
                next=more_from,
            )
            made[item.request_id] = _Made(draft=_draft(sender, item, code, found), page=page)
        return made

    async def _record(
        self, sender: str, made: dict[str, _Made | SekishoError]
    ) -> dict[str, DisclosedPage | SekishoError]:
        """Return the pages of what is on record; nothing else may leave."""
        pages: dict[str, DisclosedPage | SekishoError] = {
            request_id: one for request_id, one in made.items() if isinstance(one, SekishoError)
        }
        ready = {request_id: one for request_id, one in made.items() if isinstance(one, _Made)}
        if ready:
            outcomes = await self._context.writer.append(
                [one.draft for one in ready.values()], source=sender
            )
            for (request_id, one), outcome in zip(ready.items(), outcomes, strict=True):
                pages[request_id] = one.page if isinstance(outcome, Recorded) else outcome
        return {request_id: pages[request_id] for request_id in made}

    def _sealed(self, recipient: str, pages: dict[str, DisclosedPage | SekishoError]) -> Given:
        sealer = start_sealing(self._context.trust, PURPOSE, recipient=recipient)
        results: list[DisclosureGiven | SekishoError] = []
        for request_id, page in pages.items():
            if isinstance(page, SekishoError):
                results.append(page)
                continue
            sealed = sealer.seal(
                pack_answer(secrets.token_bytes(SALT_BYTES), encode_json(page)),
                inquiry_leaf=bytes.fromhex(request_id),
                permit_id=None,
            )
            given = DisclosureGiven(request_id=request_id, page=sealed_to_wire(sealed, key=0))
            results.append(given)
        return Given(keys=[key_to_wire(sealer.header)], results=results)


def _code(item: DisclosureWanted, openers: Openers) -> bytes:
    plaintext = openers.open(item.code, binding=bytes.fromhex(item.request_id), permit_id=None)
    try:
        return NetworkCode.parse(unpack_code(plaintext)[1]).raw
    except (CertsError, CodesError) as error:
        raise SealedInvalidError("disclosure: no code", reason=error.reason) from None


def _period(item: DisclosureWanted) -> PeriodAsked:
    try:
        since, until, _ = (
            parse_instant(text) if text is not None else None
            for text in (item.since, item.until, item.page_from)
        )
    except CodesError:
        raise InvalidBodyError("disclosure: no such instant", pointer="/items") from None
    return PeriodAsked(since=since, until=until)


def _draft(sender: str, item: DisclosureWanted, code: bytes, found: ExchangesFound) -> Draft:
    asked = {"since": item.since, "until": item.until, "page_from": item.page_from}
    return Draft(
        kind="records-read",
        members={},
        private={
            "what": WHAT,
            "request_id": item.request_id,
            "code": b64(code),
            "asked": {name: text for name, text in asked.items() if text is not None},
        }
        | found.as_json(),
        search=SearchColumns(subject=code, counterparty=sender),
    )
