"""What of a person is published just now, for the organisation's own check (DBM-14); recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from codes.canonical import tokyo_day
from codes.numbers import UnifiedNumber
from gateway.domain.client import Registration
from gateway.domain.replica import ItemValue
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.storage import replicas
from gateway.storage.replicas import ReplicaRow

_ITEMS: Final = msgspec.json.Decoder(dict[str, str | int | dict[str, str]])


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """One record as it would be provided today, before anything is cut."""

    term: str
    row: ReplicaRow
    items: dict[str, ItemValue] = field(repr=False)


class ReadReplicas:
    """The supplying side's look at what it published."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def look_up(
        self, number: UnifiedNumber, terms: Sequence[str], registration: Registration
    ) -> list[PublishedRecord]:
        """Return what is published of a person today; that it was read is recorded first.

        Raises:
            OutsideRegistrationError: the client does not supply one of these terms.
        """
        for term in terms:
            registration.admit_supply(term=term)
        await self._record(number, terms, registration)
        subject = self._context.vault.subject(number)
        wanted = [(subject, term) for term in dict.fromkeys(terms)]
        today = tokyo_day(self._context.clock.now())
        async with self._context.database.read() as connection:
            found = await replicas.replicas_for(connection, wanted, today=today)
        return [
            PublishedRecord(term=term, row=row, items=self._open(subject, term, row))
            for (_, term), rows in sorted(found.items())
            for row in rows
        ]

    async def _record(
        self, number: UnifiedNumber, terms: Sequence[str], registration: Registration
    ) -> None:
        draft = Draft(
            kind="replicas-read",
            members={},
            private={
                "unified_number": number.text,
                "terms": list(terms),
                "client_id": registration.client_id,
                "system": registration.system,
            },
            search=SearchColumns(system=registration.system),
        )
        (outcome,) = await self._context.writer.append([draft], source=registration.client_id)
        if not isinstance(outcome, Recorded):
            raise outcome

    def _open(self, subject: bytes, term: str, row: ReplicaRow) -> dict[str, ItemValue]:
        raw = self._context.vault.open(
            replicas.TABLE,
            replicas.ITEMS,
            row.key_year,
            replicas.place(subject, term, row.record_key),
            row.items_box,
            generation=row.generation,
        )
        return dict(_ITEMS.decode(raw))
