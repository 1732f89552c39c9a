"""Which exchange an entry of ours is of: the permit, and who the other party is.

An inquiry comes before its permit and does not name it; the receipts of its answers do.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from certs.names import CORE
from codes.canonical import parse_instant, unb64
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.records.entry import parse_entry
from gateway.records.kinds import (
    Delivery,
    Inquiry,
    OfPermit,
    PermitGranted,
    Provision,
    Receipt,
    Refusal,
)
from gateway.storage.records import PAGE_ENTRIES_MAX

ANSWERED_WITHIN: Final = timedelta(days=90)
"""A request lives 30 days at most, and lost answers are looked for 45 days long."""
_ANSWER: Final = "answer"
_CODE: Final = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOf:
    """The permit and the other party, as far as they are known here."""

    permit_id: str | None
    counterparty: str | None


async def exchange_of(reader: RecordReader, opened: OpenedEntry) -> ExchangeOf:
    """Return the exchange of an entry; no permit for what is of none, or of none known here."""
    public = opened.public
    match public:
        case Inquiry():
            permit_id = await _permit_of_inquiry(reader, opened)
            return ExchangeOf(permit_id=permit_id, counterparty=public.provider)
        case Receipt():
            provider = public.peer if public.peer != CORE else _provider_of_permit(opened)
            return ExchangeOf(permit_id=public.permit_id, counterparty=provider)
        case Provision() | Delivery() | OfPermit():
            return ExchangeOf(permit_id=public.permit_id, counterparty=public.inquirer)
        case Refusal():
            return ExchangeOf(permit_id=public.permit_id, counterparty=public.counterparty)
        case _:
            return ExchangeOf(permit_id=None, counterparty=None)


def code_in(opened: OpenedEntry) -> bytes | None:
    """Return the network code of whom an entry is about, where its private part names one."""
    code = (opened.private or {}).get(_CODE)
    return unb64(code) if isinstance(code, str) else None


async def _permit_of_inquiry(reader: RecordReader, opened: OpenedEntry) -> str | None:
    """Return the permit that receipts of an inquiry name: found by person, then by leaf."""
    code = code_in(opened)
    if code is None:
        return None
    asked_at = parse_instant(opened.public.time)
    search = Search(
        since=asked_at, until=asked_at + ANSWERED_WITHIN, kinds=("receipt",), subject=code
    )
    leaf, after = opened.stored.leaf_hash.hex(), None
    while True:
        page = await reader.look(search, after=after, limit=PAGE_ENTRIES_MAX)
        for stored in page:
            receipt = parse_entry(stored.leaf).public
            if isinstance(receipt, Receipt) and receipt.inquiry_leaf == leaf and receipt.permit_id:
                return receipt.permit_id
        if len(page) < PAGE_ENTRIES_MAX:
            return None
        after = page[-1].position


def _provider_of_permit(opened: OpenedEntry) -> str | None:
    """Return whom the permit names that a receipt ends with because its provider took none."""
    answer = (opened.private or {}).get(_ANSWER)
    if not isinstance(answer, str):
        return None
    public = parse_entry(unb64(answer)).public
    return public.provider if isinstance(public, PermitGranted) else None
