"""`POST /v1/reconciliations`: what the core has of a party's own permits, page by page (法23③).

It names what was recorded and tells nothing about people; what a party says of itself it proves
by its own statements, so nothing here is one.
"""

from datetime import datetime, timedelta
from typing import Final

from codes.canonical import instant, parse_instant, tokyo_day
from codes.errors import MalformedError
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from gateway.http.paging import cursor_of, read_cursor
from gateway.storage import core_inquiries, core_outcomes
from gateway.storage.core_inquiries import PermitPlace, RecordedPermit
from gateway.storage.core_outcomes import DELIVERY, PROVISION, RECEIPT, Told
from gateway.storage.database import Connection
from gateway.wire.reconciliations import (
    TOLD_MAX,
    PermitReconciled,
    ReconciliationsAnswer,
    ReconciliationsRequest,
    ToldOfPermit,
)

PERIOD_MAX: Final = timedelta(days=31)
"""One question touches so many days' partitions, and those of the inquiries before them."""
_ORDER: Final = (PROVISION, DELIVERY, RECEIPT)
"""A provider's words first: receipts of what was never told do not push them out."""


class ReconciliationDesk:
    """Gives each party what the core knows of its permits, and nobody else."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, sender: str, request: ReconciliationsRequest) -> ReconciliationsAnswer:
        """Return a page of the permits that the sender asked for or was to provide under.

        Raises:
            InvalidBodyError: the period is empty, longer than 31 days, or of no days there are.
            InvalidQueryError: `after` is no cursor of ours.
        """
        begins, ends = _period(request)
        async with self._context.database.read() as connection:
            found = await _found(connection, sender, request, begins, ends)
            told = await core_outcomes.told(
                connection,
                [(one.permitted.inquiry_day, one.permitted.permit_id) for one in found],
            )
        is_page = request.inquiry_leaves is None and len(found) == request.limit
        return ReconciliationsAnswer(
            permits=[_permit(one, told[one.permitted.permit_id]) for one in found],
            next=_cursor(found[-1]) if is_page else None,
        )


async def _found(
    connection: Connection,
    sender: str,
    request: ReconciliationsRequest,
    begins: datetime,
    ends: datetime,
) -> list[RecordedPermit]:
    begins_day, ends_day = tokyo_day(begins), tokyo_day(ends)
    if request.inquiry_leaves is not None:
        return await core_inquiries.permits_of_inquiries(
            connection,
            sender,
            [bytes.fromhex(one) for one in request.inquiry_leaves],
            begins=begins,
            ends=ends,
            begins_day=begins_day,
            ends_day=ends_day,
        )
    after = read_cursor(request.after)
    return await core_inquiries.permits_of(
        connection,
        sender,
        after=PermitPlace(*after) if after is not None else PermitPlace.before(begins),
        ends=ends,
        begins_day=begins_day,
        ends_day=ends_day,
        limit=request.limit,
    )


def _period(request: ReconciliationsRequest) -> tuple[datetime, datetime]:
    try:
        begins, ends = parse_instant(request.begins), parse_instant(request.ends)
        for moment in (begins - PERIOD_MAX, ends + PERIOD_MAX):
            tokyo_day(moment)  # the days around them are looked into as well
    except (MalformedError, OverflowError):
        raise InvalidBodyError("period: no such days", pointer="/begins") from None
    if not timedelta(0) < ends - begins <= PERIOD_MAX:
        days = PERIOD_MAX.days
        raise InvalidBodyError(f"period: more than none, {days} days at most", pointer="/ends")
    return begins, ends


def _cursor(last: RecordedPermit) -> str:
    return cursor_of(last.permitted.requested_at, last.permitted.permit_id)


def _permit(found: RecordedPermit, told: list[Told]) -> PermitReconciled:
    permitted = found.permitted
    return PermitReconciled(
        permit_id=permitted.permit_id,
        inquirer=permitted.inquirer,
        provider=permitted.provider,
        requested_at=instant(permitted.requested_at),
        request_expires=instant(permitted.request_expires),
        inquiry_leaf=permitted.inquiry_leaf.hex(),
        permit_leaf=found.leaf.hex(),
        told=[
            ToldOfPermit(
                party=one.party,
                kind=one.kind,
                outcome=one.outcome,
                leaf=one.leaf.hex(),
                of=one.of.hex() if one.of is not None else None,
            )
            for one in _shown(told)
        ],
    )


def _shown(told: list[Told]) -> list[Told]:
    words = [one for one in told if one.kind in _ORDER]
    return sorted(words, key=lambda one: _ORDER.index(one.kind))[:TOLD_MAX]
