"""Stop switches set and lifted: acknowledged only when every later commit is bound (PROTOCOL §4).

A switch that names nothing would stop nothing and comfort everybody, so a value nobody knows is
refused.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never

from codes.canonical import instant
from gateway.domain.staff import Staff
from gateway.errors import ConflictError, InvalidBodyError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.flows.sign_in_staff import SOURCE
from gateway.storage import switches
from gateway.storage.effects import Effect
from gateway.storage.switches import SwitchLifted, SwitchRow, SwitchSet

By: TypeAlias = Literal["procedure", "information", "counterparty", "body", "all"]
EVERYTHING: Final = "all"
KEPT_AFTER_END: Final = timedelta(days=7 * 366)
"""How long a switch that ended is kept: as long as the records of what it stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSwitch:
    """What is to be stopped, why, and until when; without an end until it is lifted."""

    by: By
    value: str
    reason: str
    until: datetime | None = None


class SwitchMeasures:
    """The stop switches of one organisation."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def standing(self) -> list[SwitchRow]:
        """Return the switches that stop exchanges now."""
        async with self._context.database.read() as connection:
            return await switches.standing(connection)

    async def page(self, *, before: tuple[datetime, str] | None, limit: int) -> list[SwitchRow]:
        """Return switches, lifted and ended ones too, newest first."""
        async with self._context.database.read() as connection:
            return await switches.page(connection, before=before, limit=limit)

    async def set(self, new: NewSwitch, *, by: Staff) -> str:
        """Stop; returns the switch's id when everything committed from now on is bound by it.

        Raises:
            InvalidBodyError: it names nothing the law or the directory knows, or ends in the past.
        """
        self._check(new)
        switch_id = new_id()
        effect = SwitchSet(
            switch_id=switch_id,
            by=new.by,
            value=new.value,
            reason=new.reason,
            maker=by.staff_id,
            until=new.until,
        )
        private: dict[str, object] = {
            "switch_id": switch_id,
            "by": new.by,
            "value": new.value,
            "reason": new.reason,
            "staff": by.staff_id,
        }
        if new.until is not None:
            private["until"] = instant(new.until)
        await self._record("switch-set", private, effect, by)
        return switch_id

    async def lift(self, switch_id: str, *, by: Staff) -> None:
        """Let exchanges go on; raises `NotFoundError`, or `ConflictError` if it was lifted."""
        async with self._context.database.read() as connection:
            if not await switches.is_there(connection, switch_id):
                raise NotFoundError("switch: none of that id")
        effect = SwitchLifted(switch_id=switch_id, lifted_by=by.staff_id)
        private: dict[str, object] = {"switch_id": switch_id, "staff": by.staff_id}
        await self._record("switch-lifted", private, effect, by)

    def _check(self, new: NewSwitch) -> None:
        if (new.by == EVERYTHING) != (not new.value):
            raise InvalidBodyError("switch: a value exactly if not for all", pointer="/value")
        if new.value and not self._is_known(new.by, new.value):
            raise InvalidBodyError("switch: nobody knows this value", pointer="/value")
        if new.until is not None and new.until <= self._context.clock.now():
            raise InvalidBodyError("switch: its end is past", pointer="/until")

    def _is_known(self, by: By, value: str) -> bool:
        law, directory = self._context.trust.law, self._context.trust.directory
        bodies: Collection[str] = {
            body.body_code for party in directory.organisations.values() for body in party.bodies
        }
        match by:
            case "procedure":
                return value in law.procedures
            case "information":
                return value in law.terms or any(scope.id == value for scope in law.facts.scopes)
            case "counterparty":
                return value in directory.organisations or value in bodies
            case "body":
                return value in bodies
            case "all":
                return not value
            case _ as never:
                assert_never(never)

    async def _record(
        self, kind: str, private: dict[str, object], effect: Effect, by: Staff
    ) -> None:
        draft = Draft(
            kind=kind,
            members={},
            private=private,
            search=SearchColumns(staff=by.staff_id),
            effects=(effect,),
            changes_gate=True,
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if isinstance(outcome, EffectRefusedError):
            raise ConflictError("switch: lifted already")
        if not isinstance(outcome, Recorded):
            raise outcome
