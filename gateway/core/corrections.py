"""`POST /v1/correction-notices`: a party corrected its record (法31, 個情法97の読替).

The core notes that it was told, with the party's mark of 法23② if that changed (法23③); it changes
nothing of what it recorded itself. Records are corrected for seven years: so permits are looked for
in the record log, not in the tables that only live as long as a request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from codes.canonical import b64, unb64
from gateway.core.problems import item_problem
from gateway.errors import NotFoundError, SekishoError
from gateway.flows.context import Context
from gateway.flows.own_statements import PERMITS_AT_ONCE
from gateway.flows.record_read import RecordReader
from gateway.flows.record_types import Draft, SearchColumns, new_id
from gateway.flows.statements import (
    Statement,
    StatementInvalidError,
    Statements,
    received_or_fetched,
)
from gateway.flows.take_corrections import correction_of, record_corrections
from gateway.records.kinds import Correction, PermitGranted
from gateway.storage.corrections import CorrectionReceived
from gateway.storage.records import StoredEntry, find_by_permit
from gateway.wire.lookups import CorrectionNotice, CorrectionNoticesRequest
from gateway.wire.network import Acknowledged, AcknowledgedAnswer, AcknowledgedResult

CORRECTION: Final = "correction"
PERMIT: Final = "permit"
PERSON: Final = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    """A permit as the core recorded it, and the management code of whom it is about."""

    permit: PermitGranted
    person: bytes | None = field(repr=False)


class CorrectionDesk:
    """The core's side of corrected records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )

    async def answer(self, sender: str, request: CorrectionNoticesRequest) -> AcknowledgedAnswer:
        """Return for each notice that it was taken, once however often it comes."""
        self._context.trust.require_fresh(self._context.clock.now())
        statements = await received_or_fetched(self._context.trust, request.groups, sender=sender)
        items = [_correction(item, statements) for item in request.items]
        permits = await self._permits([item.permit_id for item in request.items])
        results: list[str | SekishoError] = []
        drafts: list[tuple[int, Draft]] = []
        for place, (asked, item) in enumerate(zip(request.items, items, strict=True)):
            found = permits.get(asked.permit_id)
            if isinstance(item, SekishoError):
                results.append(item)
            elif found is None or not _is_party(sender, found):
                results.append(NotFoundError("correction: no permit of this party"))
            else:
                results.append(asked.permit_id)
                drafts.append((place, _draft(sender, item, found)))
        await record_corrections(self._context, sender, drafts, results)
        return AcknowledgedAnswer(results=[_result(result) for result in results])

    async def _permits(self, permit_ids: Sequence[str]) -> dict[str, _Granted]:
        found: dict[str, _Granted] = {}
        wanted = list(dict.fromkeys(permit_ids))
        for start in range(0, len(wanted), PERMITS_AT_ONCE):
            some = wanted[start : start + PERMITS_AT_ONCE]
            async with self._context.database.read() as connection:
                stored = await find_by_permit(connection, some)
            for entry in stored:
                if entry.kind == PERMIT:
                    granted = self._granted(entry)
                    found[granted.permit.permit_id] = granted
        return found

    def _granted(self, entry: StoredEntry) -> _Granted:
        opened = self._reader.open(entry)
        if not isinstance(opened.public, PermitGranted):
            raise TypeError("entry: not a permit")
        person = (opened.private or {}).get(PERSON)
        return _Granted(
            permit=opened.public, person=unb64(person) if isinstance(person, str) else None
        )


def _correction(item: CorrectionNotice, statements: Statements) -> Statement | SekishoError:
    try:
        return correction_of(item, statements)
    except StatementInvalidError as error:
        return error


def _is_party(sender: str, found: _Granted) -> bool:
    return sender in (found.permit.inquirer, found.permit.provider)


def _draft(sender: str, statement: Statement, found: _Granted) -> Draft:
    permit_id, leaf, entry_id = found.permit.permit_id, statement.entry.leaf_hash, new_id()
    public = statement.entry.public
    private: dict[str, object] = {"party": sender}
    if found.person is not None:
        private[PERSON] = b64(found.person)
    return Draft(
        entry_id=entry_id,
        kind=CORRECTION,
        members={
            "of": leaf.hex(),
            "permit_id": permit_id,
            "non_disclosure": public.non_disclosure if isinstance(public, Correction) else None,
        },
        private=private,
        search=SearchColumns(subject=found.person, counterparty=sender, permit_id=permit_id),
        effects=(
            CorrectionReceived(leaf=leaf, party=sender, permit_id=permit_id, entry_id=entry_id),
        ),
    )


def _result(result: str | SekishoError) -> AcknowledgedResult:
    if isinstance(result, str):
        return AcknowledgedResult(result=Acknowledged(permit_id=result))
    return AcknowledgedResult(problem=item_problem(result))
