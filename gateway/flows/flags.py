"""Flags of people set, lifted and found: by back-office systems and by staff alike (LAW *Flags*).

Three flags with three purposes, each set for a person, for one information, or for one item of it,
with reason, maker and end. A change is acknowledged only when every later commit honours it
(PROTOCOL §4).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from codes.canonical import instant
from codes.errors import CodesError
from codes.numbers import UnifiedNumber
from codes.tables import shipped
from gateway.errors import ConflictError, InvalidBodyError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.storage import flags, network_codes
from gateway.storage.effects import Effect
from gateway.storage.flags import Flag, FlagLifted, FlagSet
from policies.release import Flag as FlagKind

KEPT_AFTER_END: Final = timedelta(days=60)
"""How long a flag that ended is kept: who lifted one approves no hold of that time."""
CLIENT: Final = "client"
STAFF: Final = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagMaker:
    """Who sets or lifts a flag: a member of staff, or a back-office system (`kind`)."""

    name: str
    kind: str
    system: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlag:
    """What is said of a person; without a term of everything, without an end until it is lifted."""

    unified_number: UnifiedNumber = field(repr=False)
    kind: FlagKind
    reason: str = field(repr=False)
    term: str | None = None
    item: str | None = None
    until: datetime | None = None


class Flags:
    """The flags of one organisation's people."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def set(self, new: NewFlag, *, by: FlagMaker) -> str:
        """Set a flag; returns its id when every statement from now on honours it.

        Raises:
            InvalidBodyError: a term or item that there is not, or an end in the past.
        """
        self._check(new)
        flag_id = new_id()
        subject = self._context.vault.subject(new.unified_number)
        effect = FlagSet(
            flag_id=flag_id,
            subject=subject,
            kind=new.kind.value,
            term=new.term,
            item=new.item,
            reason=new.reason,
            maker=by.name,
            maker_kind=by.kind,
            until=new.until,
        )
        private: dict[str, object] = {
            "flag_id": flag_id,
            "unified_number": new.unified_number.text,
            "flag": new.kind.value,
            "reason": new.reason,
        }
        private |= {
            name: text
            for name, text in (
                ("term", new.term),
                ("item", new.item),
                ("until", instant(new.until) if new.until is not None else None),
            )
            if text is not None
        }
        await self._record("flag-set", private, effect, subject, by)
        return flag_id

    async def lift(self, flag_id: str, *, reason: str, by: FlagMaker) -> None:
        """Lift a flag; a back-office system lifts only what it set itself.

        Raises:
            NotFoundError: no such flag, or another system's.
            ConflictError: it was lifted before.
        """
        async with self._context.database.read() as connection:
            found = await flags.find(connection, flag_id)
        if found is None or (by.kind == CLIENT and not is_of(found[1], by)):
            raise NotFoundError("flag: none of this maker")
        subject, _flag = found
        effect = FlagLifted(flag_id=flag_id, lifted_by=by.name)
        private: dict[str, object] = {"flag_id": flag_id, "reason": reason}
        if not await self._record("flag-lifted", private, effect, subject, by):
            raise ConflictError("flag: lifted before")

    async def standing(self, number: UnifiedNumber) -> list[Flag]:
        """Return the flags of a person that stand now."""
        subject = self._context.vault.subject(number)
        async with self._context.database.read() as connection:
            found = await flags.flags_for(connection, [subject])
        return found.get(subject, [])

    async def history(self, number: UnifiedNumber) -> list[Flag]:
        """Return every flag a person has or had."""
        subject = self._context.vault.subject(number)
        async with self._context.database.read() as connection:
            return await flags.history(connection, subject)

    async def _record(
        self,
        kind: str,
        private: dict[str, object],
        effect: Effect,
        subject: bytes,
        by: FlagMaker,
    ) -> bool:
        """Record the change; tells whether it was one."""
        draft = Draft(
            kind=kind,
            members={},
            private=private | {"maker": by.name, "maker_kind": by.kind},
            search=SearchColumns(
                subject=await self._code(subject),
                staff=by.name if by.kind == STAFF else None,
                system=by.system,
            ),
            effects=(effect,),
            changes_gate=True,
        )
        (outcome,) = await self._context.writer.append([draft], source=by.name)
        if isinstance(outcome, EffectRefusedError):
            return False
        if not isinstance(outcome, Recorded):
            raise outcome
        return True

    async def _code(self, subject: bytes) -> bytes | None:
        """Return the person's code, by which their records are found, if they have one."""
        async with self._context.database.read() as connection:
            stored = (await network_codes.codes_of(connection, [subject])).get(subject)
        return None if stored is None else self._context.vault.code(stored).raw

    def _check(self, new: NewFlag) -> None:
        now = self._context.clock.now()
        if new.until is not None and new.until <= now:
            raise InvalidBodyError("flag: its end is past", pointer="/until")
        if new.term is None:
            if new.item is not None:
                raise InvalidBodyError("flag: an item is of a term", pointer="/item")
            return
        try:
            items = shipped().items_of(new.term)
        except CodesError:
            raise InvalidBodyError("flag: no such term", pointer="/term") from None
        if new.item is not None and new.item not in {item.code for item in items}:
            raise InvalidBodyError("flag: no such item of the term", pointer="/item")


def is_of(flag: Flag, maker: FlagMaker) -> bool:
    """Tell whether this maker set the flag."""
    return (flag.maker, flag.maker_kind) == (maker.name, maker.kind)
