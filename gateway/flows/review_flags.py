"""Somebody looks at a person's flags: recorded before they are shown."""

from codes.numbers import UnifiedNumber
from gateway.domain.staff import Staff
from gateway.flows.context import Context
from gateway.flows.flags import Flags
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.sign_in_staff import SOURCE
from gateway.storage.flags import Flag


class ReviewFlags:
    """People's flags with their readers on record."""

    def __init__(self, context: Context, flags: Flags) -> None:
        self._context = context
        self._flags = flags

    async def look_up(
        self, number: UnifiedNumber, *, with_history: bool, reader: Staff
    ) -> list[Flag]:
        """Return a person's flags, oldest first: those that stand, or every one there was."""
        flags = self._flags
        found = await (flags.history(number) if with_history else flags.standing(number))
        draft = Draft(
            kind="records-read",
            members={},
            private={
                "staff": reader.staff_id,
                "what": "flags",
                "unified_number": number.text,
                "flags": [flag.flag_id for flag in found],
            },
            search=SearchColumns(staff=reader.staff_id),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
        return found
