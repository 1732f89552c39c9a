"""`POST /v1/statements:fetch`: the core's own statements of a party's exchanges, by permit id."""

from collections.abc import Mapping, Sequence
from typing import Final

from codes.canonical import instant
from gateway.core.problems import item_problem
from gateway.errors import NotFoundError
from gateway.flows.context import Context
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Recorded
from gateway.records.entry import parse_entry
from gateway.records.kinds import OutcomeTaken, PermitGranted, Public, Refusal
from gateway.storage.records import StoredEntry, find_by_permit
from gateway.wire.lookups import (
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementsFound,
    StatementsResult,
)

PERMITS_AT_ONCE: Final = 50
"""A page of the log holds all entries of so many permits."""


class StatementDesk:
    """Gives each party what the core stated about its own exchanges, and nobody else."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, sender: str, request: StatementsFetchRequest) -> StatementsFetchAnswer:
        """Return the statements of each permit; another party's permit is not found."""
        wanted = list(dict.fromkeys(item.permit_id for item in request.items))
        by_permit = await self._entries(sender, wanted)
        proven = await prove(
            self._context.writer, [entry for found in by_permit.values() for entry in found]
        )
        return StatementsFetchAnswer(
            groups=proven.groups,
            results=[_result(by_permit.get(item.permit_id, ()), proven) for item in request.items],
        )

    async def _entries(
        self, sender: str, permit_ids: Sequence[str]
    ) -> Mapping[str, Sequence[Recorded]]:
        by_permit: dict[str, list[Recorded]] = {}
        async with self._context.database.read() as connection:
            for start in range(0, len(permit_ids), PERMITS_AT_ONCE):
                some = permit_ids[start : start + PERMITS_AT_ONCE]
                for stored in await find_by_permit(connection, some):
                    public = parse_entry(stored.leaf).public
                    permit_id = getattr(public, "permit_id", None)
                    if permit_id is not None and _is_party(sender, public):
                        by_permit.setdefault(permit_id, []).append(_recorded(stored))
        return by_permit


def _is_party(sender: str, public: Public) -> bool:
    """Tell whether the entry states something of an exchange of this organisation."""
    match public:
        case PermitGranted() | Refusal():
            return sender in (public.inquirer, public.provider)
        case OutcomeTaken():
            return sender == public.party
        case _:
            return False


def _recorded(stored: StoredEntry) -> Recorded:
    return Recorded(
        entry_id=stored.entry_id,
        entry=stored.leaf,
        leaf_hash=stored.leaf_hash,
        slot=stored.slot,
        index=stored.index,
        time=instant(stored.time),
    )


def _result(found: Sequence[Recorded], proven: Proven) -> StatementsResult:
    if not found:
        return StatementsResult(problem=item_problem(NotFoundError("permit: none of yours")))
    return StatementsResult(
        result=StatementsFound(statements=[proven.reference(entry) for entry in found])
    )
