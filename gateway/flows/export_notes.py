"""The cosigned checkpoints of an export: those that bound its period, made notes again.

Of a cosignature only the witness's line is stored. The root comes from the tiles, the log's own
lines are signed anew: a committed root may be signed at any time.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.flows.context import Context
from gateway.flows.cosigned_notes import cosigned_note
from gateway.flows.cosigning import Cosigning
from gateway.records.note import Checkpoint
from gateway.storage.cosigned import (
    Cosignature,
    Cosigned,
    WitnessedSlot,
    cosignatures_around,
    cosigners,
    first_cosignatures,
    read_witnessed_slots,
)

LINES_MAX: Final = 4096
"""Cosignatures within the period, a slot: about three days of minutes, before they thin out."""
SIGNED_AT_ONCE: Final = 64
PATIENCE_S: Final = 10.0
"""How long an export waits for witnesses: one that does not answer proves nothing this time."""
_SOON: Final = timedelta(seconds=1)


class ExportNotes:
    """What witnesses say about the slots of one organisation."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def have_cosigned(self, ends: datetime) -> None:
        """Have every slot cosigned that no witness has signed since a period ended.

        Nothing happens for a period that has not ended. Lines bear whole seconds: the second in
        which it ended is waited out.
        """
        rest = math.ceil(ends.timestamp()) - self._context.clock.now().timestamp()
        if rest > _SOON.total_seconds() or not self._context.witnesses.witnesses:
            return
        await asyncio.sleep(max(0.0, rest))
        async with self._context.database.read() as connection:
            slots = await read_witnessed_slots(connection, self._context.witnesses.witnesses)
        cosigning = Cosigning(self._context)
        visits = [
            asyncio.create_task(cosigning.visit(witness, due))
            for witness in self._context.witnesses.witnesses
            if (
                due := {
                    slot.slot: slot.witnesses[witness]
                    for slot in slots
                    if _is_behind(slot, slot.witnesses[witness], ends)
                }
            )
        ]
        if visits:
            _, late = await asyncio.wait(visits, timeout=PATIENCE_S)
            for visit in late:
                visit.cancel()

    async def of_slot(
        self,
        slot: int,
        *,
        begins: datetime,
        ends: datetime,
        covered: int,
        size: int,
        minimum: int = 0,
        shown: Checkpoint | None = None,
        held: Sequence[int] = (),
    ) -> list[str]:
        """Return a slot's cosigned notes around a period, each of another tree or time.

        `covered` is how many entries there were when the period ended, `size` how many there
        are in the tree that the export begins with: none is of a larger one. Below `minimum`
        everything is erased: none is of a smaller one, and the first that held all that is gone
        is here. `shown` is as for `checkpoints_at`. Of the entries at the indexes `held` the first
        note of each witness that holds them is here, too.
        """
        trust = self._context.trust
        async with self._context.database.read() as connection:
            # Whoever was a witness once: the auditor's directories say who was at the time.
            witnesses = await cosigners(connection, slot)
            found = await cosignatures_around(
                connection,
                slot,
                witnesses,
                begins=begins,
                ends=ends,
                covered=covered,
                size=size,
                minimum=minimum,
                lines_max=LINES_MAX,
            )
            for index in held:
                least = max(index + 1, minimum)
                found += await first_cosignatures(
                    connection, slot, witnesses, least=least, most=size
                )
        together = _together(found)
        notes: list[str] = []
        for start in range(0, len(together), SIGNED_AT_ONCE):
            part = together[start : start + SIGNED_AT_ONCE]
            signed = await self._context.writer.checkpoints_at(
                slot, [size for size, _ in part], shown=shown
            )
            notes += [
                cosigned_note(trust.network, note, lines.values())
                for note, (_, lines) in zip(signed, part, strict=True)
            ]
        return notes


def _together(found: Sequence[Cosignature]) -> list[tuple[int, Mapping[str, Cosignature]]]:
    """Return the lines that go under one note: of one size, at most one of each witness."""
    notes: list[tuple[int, dict[str, Cosignature]]] = []
    # The same line may be wanted for more than one reason.
    wanted = {(one.size, one.at, one.witness): one for one in found}
    for _, one in sorted(wanted.items()):
        for size, lines in reversed(notes):
            if size != one.size:
                notes.append((one.size, {one.witness: one}))
                break
            if one.witness not in lines:
                lines[one.witness] = one
                break
        else:
            notes.append((one.size, {one.witness: one}))
    return list(notes)


def _is_behind(slot: WitnessedSlot, cosigned: Cosigned, ends: datetime) -> bool:
    return cosigned.at is None or cosigned.at < ends or cosigned.size < slot.size
