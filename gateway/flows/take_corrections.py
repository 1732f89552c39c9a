"""`POST /v1/correction-notices`: another party corrected its record (法31, 個情法97の読替).

That we were told is recorded; nothing that we recorded ourselves changes.
"""

from collections.abc import Sequence

from codes.canonical import b64
from gateway.errors import NotFoundError, SekishoError
from gateway.flows.context import Context
from gateway.flows.own_statements import exchanges_of
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns, new_id
from gateway.flows.statements import (
    Statement,
    StatementInvalidError,
    Statements,
    received_or_fetched,
)
from gateway.records.kinds import Correction
from gateway.storage.corrections import CorrectionReceived
from gateway.wire.lookups import CorrectionNotice, CorrectionNoticesRequest


class TakeCorrections:
    """The gateway's end of correction notices."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(
        self, sender: str, request: CorrectionNoticesRequest
    ) -> list[str | SekishoError]:
        """Return for each notice its permit id once it is recorded, or why it is not.

        Raises `StatementInvalidError` when a group does not verify: nothing is done then.
        """
        self._context.trust.require_fresh(self._context.clock.now())
        statements = await received_or_fetched(self._context.trust, request.groups, sender=sender)
        own = await exchanges_of(self._context, sender, [item.permit_id for item in request.items])
        results: list[str | SekishoError] = []
        drafts: list[tuple[int, Draft]] = []
        for place, item in enumerate(request.items):
            try:
                statement = correction_of(item, statements)
                if item.permit_id not in own:
                    raise NotFoundError("correction: no exchange with this party")
            except SekishoError as error:
                results.append(error)
                continue
            results.append(item.permit_id)
            drafts.append((place, _draft(sender, item.permit_id, statement)))
        await record_corrections(self._context, sender, drafts, results)
        return results


async def record_corrections(
    context: Context,
    sender: str,
    drafts: Sequence[tuple[int, Draft]],
    results: list[str | SekishoError],
) -> None:
    """Record what was told; what cannot be recorded becomes the result at its draft's place."""
    if not drafts:
        return
    outcomes = await context.writer.append([draft for _, draft in drafts], source=sender)
    for (place, _), outcome in zip(drafts, outcomes, strict=True):
        # A refused effect means that the same correction was taken before.
        if not isinstance(outcome, Recorded | EffectRefusedError):
            results[place] = outcome


def correction_of(item: CorrectionNotice, statements: Statements) -> Statement:
    """Return the correction that a notice names, or raise `StatementInvalidError`."""
    statement = statements.at(item.group, item.index)
    public = statement.entry.public
    if not isinstance(public, Correction):
        raise StatementInvalidError("corrections: another kind", reason="other-kind")
    if public.permit_id != item.permit_id:
        raise StatementInvalidError("corrections: of another permit", reason="other-permit")
    return statement


def _draft(sender: str, permit_id: str, statement: Statement) -> Draft:
    entry_id = new_id()
    return Draft(
        entry_id=entry_id,
        kind="correction-received",
        members={},
        private={
            "party": sender,
            "permit_id": permit_id,
            "statement": b64(statement.entry.raw),
        },
        search=SearchColumns(counterparty=sender, permit_id=permit_id),
        effects=(
            CorrectionReceived(
                leaf=statement.entry.leaf_hash,
                party=sender,
                permit_id=permit_id,
                entry_id=entry_id,
            ),
        ),
    )
