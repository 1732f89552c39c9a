"""`POST /v1/correction-notices`: a party corrected its record (法31, 個情法97の読替).

The core notes that it was told; it changes nothing of what it recorded itself.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from codes.canonical import b64, tokyo_day
from gateway.core.day_book import DayBook
from gateway.core.outcomes import KEPT_DAYS
from gateway.core.problems import item_problem
from gateway.errors import NotFoundError, SekishoError, UnavailableError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, SearchColumns, new_id
from gateway.flows.statements import (
    Statement,
    StatementInvalidError,
    Statements,
    received_or_fetched,
)
from gateway.flows.take_corrections import correction_of, record_corrections
from gateway.storage import core_inquiries
from gateway.storage.core_inquiries import RecordedPermit
from gateway.storage.core_outcomes import CoreOutcomeTaken
from gateway.wire.lookups import CorrectionNotice, CorrectionNoticesRequest
from gateway.wire.network import Acknowledged, AcknowledgedAnswer, AcknowledgedResult

CORRECTION: Final = "correction"


class CorrectionDesk:
    """The core's side of corrected records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._days = DayBook(context.vault.days)

    async def answer(self, sender: str, request: CorrectionNoticesRequest) -> AcknowledgedAnswer:
        """Return for each notice that it was taken, once however often it comes."""
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        statements = await received_or_fetched(self._context.trust, request.groups, sender=sender)
        items = [_correction(item, statements) for item in request.items]
        permits = await self._permits([item.permit_id for item in request.items], now)
        results: list[str | SekishoError] = []
        drafts: list[tuple[int, Draft]] = []
        for place, (asked, item) in enumerate(zip(request.items, items, strict=True)):
            found = permits.get(asked.permit_id)
            if isinstance(item, SekishoError):
                results.append(item)
            elif found is None or not _is_party(sender, found):
                results.append(NotFoundError("correction: no permit of this party"))
            else:
                try:
                    person = self._days.open(found.permitted).person
                except UnavailableError as error:
                    results.append(error)
                    continue
                results.append(asked.permit_id)
                drafts.append((place, _draft(sender, item, found, person)))
        await record_corrections(self._context, sender, drafts, results)
        return AcknowledgedAnswer(results=[_result(result) for result in results])

    async def _permits(self, permit_ids: Sequence[str], now: datetime) -> dict[str, RecordedPermit]:
        async with self._context.database.read() as connection:
            return await core_inquiries.permits(
                connection,
                permit_ids,
                first=tokyo_day(now - KEPT_DAYS),
                last=tokyo_day(now + timedelta(days=1)),
            )


def _correction(item: CorrectionNotice, statements: Statements) -> Statement | SekishoError:
    try:
        return correction_of(item, statements)
    except StatementInvalidError as error:
        return error


def _is_party(sender: str, found: RecordedPermit) -> bool:
    return sender in (found.permitted.inquirer, found.permitted.provider)


def _draft(sender: str, statement: Statement, found: RecordedPermit, person: bytes) -> Draft:
    permitted, leaf, entry_id = found.permitted, statement.entry.leaf_hash, new_id()
    return Draft(
        entry_id=entry_id,
        kind=CORRECTION,
        members={"of": leaf.hex(), "permit_id": permitted.permit_id},
        private={"party": sender, "person": b64(person)},
        search=SearchColumns(subject=person, counterparty=sender, permit_id=permitted.permit_id),
        effects=(
            CoreOutcomeTaken(
                inquiry_day=permitted.inquiry_day,
                permit_id=permitted.permit_id,
                leaf=leaf,
                party=sender,
                kind=CORRECTION,
                outcome=CORRECTION,
                of=None,
                entry_id=entry_id,
            ),
        ),
    )


def _result(result: str | SekishoError) -> AcknowledgedResult:
    if isinstance(result, str):
        return AcknowledgedResult(result=Acknowledged(permit_id=result))
    return AcknowledgedResult(problem=item_problem(result))
