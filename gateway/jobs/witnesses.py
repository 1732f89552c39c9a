"""When our witnesses are visited: soon while a slot grows, daily in any case, by one worker."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.cosigning import Cosigning
from gateway.jobs.periodic import every, once
from gateway.storage.cosigned import (
    Cosigned,
    WitnessedSlot,
    give_lease_back,
    read_witnessed_slots,
    take_lease,
    thin_cosignatures,
)

log = structlog.get_logger()

_NAME: Final = "witnesses"
TURN_S: Final = 2.0
LEASE_S: Final = 10.0
"""A worker that died leaves its turn to another after this long."""
VISIT_S: Final = 6.0
"""How long a witness is left alone after a visit; with a turn and the visit below 10 s."""
ENROLLING_S: Final = (*(0.25,) * 4, *(0.5,) * 4, *(1.0,) * 6)
"""The first pauses, while not enough witnesses have cosigned for the first time."""
AGAIN: Final = timedelta(hours=20)
"""When a slot that has not grown is cosigned once more: every day (PROTOCOL §5)."""
THIN_S: Final = 3600.0
THINNED_AFTER: Final = timedelta(days=2)
THINNED_BACK: Final = timedelta(days=30)
"""How far back is looked for what to thin; a longer stop leaves more than need be, no less."""


class WitnessJob:
    """Brings our slots to our witnesses; a slow or dead witness keeps no other waiting."""

    def __init__(self, context: Context, cosigning: Cosigning | None = None) -> None:
        self._context = context
        self._cosigning = cosigning or Cosigning(context)
        self._holder = uuid.uuid4().hex
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._visited: dict[str, float] = {}
        self._next_thinning = 0.0
        self._rest_s = VISIT_S

    async def run(self) -> None:
        """Go on until cancelled; then another worker takes the turn at once."""
        try:
            await self._enrol()
            await every(TURN_S, self.turn, name=_NAME)
        finally:
            for task in self._under_way.values():
                task.cancel()
            await self._give_back()

    async def turn(self) -> None:
        """Start a visit to each witness that is due, if it is this worker's turn."""
        witnesses = self._context.witnesses.witnesses
        if not witnesses:
            return
        async with self._context.database.read() as connection:
            if not await take_lease(connection, self._holder, LEASE_S):
                return
            slots = await read_witnessed_slots(connection, witnesses)
        for witness in witnesses:
            due = self._due(witness, slots)
            if due and witness not in self._under_way and self._is_rested(witness):
                task = asyncio.create_task(self._cosigning.visit(witness, due))
                self._under_way[witness] = task
                task.add_done_callback(partial(self._done, witness))
        if self._monotonic() >= self._next_thinning:
            self._next_thinning = self._monotonic() + THIN_S
            await self._thin()

    async def _enrol(self) -> None:
        """Come round soon at first: who starts together is not there for each other at once."""
        state = self._context.witnesses
        for pause_s in ENROLLING_S:
            if not state.is_enrolling:
                break
            self._rest_s = pause_s
            await once(self.turn, name=_NAME)
            await asyncio.sleep(pause_s)
            await once(state.look, name=_NAME)
        self._rest_s = VISIT_S

    async def settle(self) -> None:
        """Return when no visit is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _due(self, witness: str, slots: Sequence[WitnessedSlot]) -> dict[int, Cosigned]:
        now = self._context.clock.now()
        return {
            slot.slot: slot.witnesses[witness]
            for slot in slots
            if _is_due(slot, slot.witnesses[witness], now)
        }

    def _is_rested(self, witness: str) -> bool:
        last = self._visited.get(witness)
        return last is None or self._monotonic() - last >= self._rest_s

    def _monotonic(self) -> float:
        return self._context.clock.monotonic()

    def _done(self, witness: str, task: asyncio.Task[None]) -> None:
        del self._under_way[witness]
        self._visited[witness] = self._monotonic()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("witness_visit_failed", peer=witness, exc_info=error)

    async def _thin(self) -> None:
        """Leave one cosignature a slot, witness and minute of what is older than two days."""
        until = self._context.clock.now() - THINNED_AFTER
        async with self._context.database.read() as connection:
            await thin_cosignatures(connection, since=until - THINNED_BACK, until=until)

    async def _give_back(self) -> None:
        try:
            async with self._context.database.read() as connection:
                await give_lease_back(connection, self._holder)
        except SekishoError as error:
            log.info("witness_turn_not_given_back", problem=error.problem)


def _is_due(slot: WitnessedSlot, cosigned: Cosigned, now: datetime) -> bool:
    if cosigned.at is None or cosigned.conflict_size is not None:
        return True
    return cosigned.size != slot.size or now - cosigned.at >= AGAIN
