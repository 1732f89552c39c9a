"""A person's code may be used no longer, or again, or goes over to another number (FGU-10, FGU-11).

Each is an entry that changes the gate: what was decided on the code as it was is decided anew.
"""

from typing import Final

from codes.numbers import UnifiedNumber
from gateway.domain.client import Registration
from gateway.errors import ConflictError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.storage import network_codes
from gateway.storage.effects import Effect
from gateway.storage.network_codes import NUMBER, TABLE, CodeHandedOver, CodeMoved

LINKED: Final = "linked"
SUSPENDED: Final = "suspended"


class NoCodeHereError(NotFoundError):
    """This number has no network code."""

    problem = "not-found"


class CodeStandsOtherwiseError(ConflictError):
    """The code is not in a state that allows this, or the other number has one of its own."""

    problem = "conflict"


class ChangeCodes:
    """Changes to codes that are linked, as the registry orders them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def suspend(self, number: UnifiedNumber, reason: str, registration: Registration) -> None:
        """Let nobody use a person's code: no inquiry, no answer; doing it again does nothing."""
        await self._move(number, LINKED, SUSPENDED, reason, registration)

    async def resume(self, number: UnifiedNumber, reason: str, registration: Registration) -> None:
        """Let a suspended code be used again."""
        await self._move(number, SUSPENDED, LINKED, reason, registration)

    async def hand_over(
        self,
        number: UnifiedNumber,
        to_number: UnifiedNumber,
        reason: str,
        registration: Registration,
    ) -> None:
        """Let another unified number have the code; what is supplied about it is supplied anew.

        Raises:
            NoCodeHereError: the number has no code.
            CodeStandsOtherwiseError: the other number has one already.
        """
        vault = self._context.vault
        subject, to_subject = vault.subject(number), vault.subject(to_number)
        await self._require(subject)
        year = self._context.clock.now().year
        effect = CodeHandedOver(
            subject=subject,
            to_subject=to_subject,
            number_box=vault.seal(
                TABLE, NUMBER, year, to_subject.hex(), to_number.text.encode("ascii")
            ),
            key_year=year,
        )
        private: dict[str, object] = {
            "unified_number": number.text,
            "to_unified_number": to_number.text,
            "change": "handed-over",
            "reason": reason,
        }
        await self._record(private, effect, registration)

    async def _move(
        self,
        number: UnifiedNumber,
        from_state: str,
        state: str,
        reason: str,
        registration: Registration,
    ) -> None:
        subject = self._context.vault.subject(number)
        if await self._require(subject) == state:
            return
        effect = CodeMoved(subject=subject, from_state=from_state, state=state)
        private: dict[str, object] = {
            "unified_number": number.text,
            "change": state,
            "reason": reason,
        }
        await self._record(private, effect, registration)

    async def _require(self, subject: bytes) -> str:
        async with self._context.database.read() as connection:
            states = await network_codes.states_of(connection, [subject])
        if subject not in states:
            raise NoCodeHereError("code: this number has none")
        return states[subject]

    async def _record(
        self, private: dict[str, object], effect: Effect, registration: Registration
    ) -> None:
        draft = Draft(
            kind="code-changed",
            members={},
            private=private | {"system": registration.system},
            search=SearchColumns(system=registration.system, outcome=str(private["change"])),
            effects=(effect,),
            changes_gate=True,
        )
        (outcome,) = await self._context.writer.append([draft], source=registration.client_id)
        if isinstance(outcome, EffectRefusedError):
            raise CodeStandsOtherwiseError("code: stands otherwise now")
        if not isinstance(outcome, Recorded):
            raise outcome
