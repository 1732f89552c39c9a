"""How far our witnesses are behind our records, and what that stops (PROTOCOL §5, DESIGN §2.9).

Every worker looks for itself: what is not cosigned in time stops new exchanges everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway import metrics
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.flows.trust import Trust
from gateway.records.policy import enough
from gateway.storage.cosigned import WitnessedSlot, entry_times, read_witnessed_slots
from gateway.storage.database import Database

LOOK_S: Final = 2.0
LAG_MAX: Final = timedelta(minutes=15)
"""Beyond it nothing new is asked, provided or permitted."""


class NotCosignedError(UnavailableError):
    """Not enough witnesses have cosigned every slot for the first time: still being enrolled."""

    problem = "not-cosigned"


class WitnessLagError(UnavailableError):
    """An entry has waited more than 15 minutes for enough cosignatures."""

    problem = "witness-lag"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the last look found; instants of entries, not ages."""

    behind: Mapping[str, datetime | None]
    """By witness, its oldest entry not cosigned."""
    oldest: datetime | None = None
    """The oldest entry that not enough witnesses have cosigned."""
    signed: datetime | None = None
    """As of when enough witnesses have signed every slot; none before the first time."""
    not_cosigned: bool = False
    conflicts: int = 0
    is_contradicted: bool = False
    """Whether so many witnesses hold another tree of a slot that the others are not enough."""


class WitnessState:
    """What one worker knows about its organisation's witnesses."""

    def __init__(self, trust: Trust, database: Database, clock: Clock) -> None:
        self._trust = trust
        self._database = database
        self._clock = clock
        # Nothing was read yet: whoever has witnesses is not cosigned until somebody looked.
        self._seen = _Seen(behind={}, not_cosigned=bool(self.witnesses))

    @property
    def witnesses(self) -> tuple[str, ...]:
        """The witnesses that our own directory entry names."""
        return self._trust.directory.organisation(self._trust.organisation).witnesses

    @property
    def is_enrolling(self) -> bool:
        """Whether some slot was not cosigned by enough witnesses even once."""
        return self._seen.not_cosigned

    async def look(self) -> None:
        """Read again how far the witnesses are, and tell Prometheus."""
        async with self._database.read() as connection:
            slots = await read_witnessed_slots(connection, self.witnesses)
            places = _places(slots, len(self.witnesses))
            times = await entry_times(connection, sorted(places)) if places else {}
        forgotten = self._seen.behind.keys() - set(self.witnesses)
        self._seen = _seen(slots, self.witnesses, times)
        self._tell(forgotten)

    def require(self, now: datetime) -> None:
        """Return quietly while our records are witnessed well enough for something new.

        Raises `NotCosignedError`, `WitnessLagError`.
        """
        if self._seen.not_cosigned:
            raise NotCosignedError("records: not cosigned yet")
        if self._is_late(now):
            raise WitnessLagError("records: not cosigned in time")

    def obstacles(self, now: datetime) -> tuple[str, ...]:
        """Return why this organisation is not ready, as far as witnesses go.

        What one of several says about our tree proves nothing and stops nobody: it alarms, and
        what it can prove freezes the slot (ADR 14, 15).
        """
        missing = []
        if self._seen.not_cosigned:
            missing.append(NotCosignedError.problem)
        if self._is_late(now):
            missing.append(WitnessLagError.problem)
        if self._seen.is_contradicted:
            missing.append("witness-conflict")
        return tuple(missing)

    def _is_late(self, now: datetime) -> bool:
        return self._seen.oldest is not None and now - self._seen.oldest > LAG_MAX

    def _tell(self, forgotten: set[str]) -> None:
        now = self._clock.now()
        metrics.WITNESS_LAG_SECONDS.set(_age(self._seen.oldest, now))
        metrics.WITNESS_IDLE_SECONDS.set(_age(self._seen.signed, now))
        metrics.WITNESS_CONFLICTS.set(self._seen.conflicts)
        for witness, oldest in self._seen.behind.items():
            metrics.WITNESS_BEHIND_SECONDS.labels(peer=witness).set(_age(oldest, now))
        for witness in forgotten:
            metrics.WITNESS_BEHIND_SECONDS.labels(peer=witness).set(0)


def _seen(
    slots: Sequence[WitnessedSlot],
    witnesses: Sequence[str],
    times: Mapping[tuple[int, int], datetime],
) -> _Seen:
    if not witnesses:
        return _Seen(behind={})
    needed = enough(len(witnesses))
    behind: dict[str, datetime | None] = {}
    for witness in witnesses:
        waiting = [(slot.slot, slot.witnesses[witness].size) for slot in slots]
        behind[witness] = min((times[at] for at in waiting if at in times), default=None)
    lagging = [(slot.slot, _enough_size(slot, needed)) for slot in slots]
    signed = [_enough_at(slot, needed) for slot in slots]
    marks = [cosigned for slot in slots for cosigned in slot.witnesses.values()]
    return _Seen(
        behind=behind,
        oldest=min((times[at] for at in lagging if at in times), default=None),
        signed=min((at for at in signed if at is not None), default=None),
        not_cosigned=None in signed,
        conflicts=sum(cosigned.conflict_size is not None for cosigned in marks),
        is_contradicted=any(_agreeing(slot) < needed for slot in slots),
    )


def _agreeing(slot: WitnessedSlot) -> int:
    """Return how many witnesses hold no other tree of a slot."""
    return sum(cosigned.conflict_size is None for cosigned in slot.witnesses.values())


def _places(slots: Sequence[WitnessedSlot], witnesses: int) -> set[tuple[int, int]]:
    """Return (slot, index) of every entry that is the first one not cosigned by somebody."""
    return (
        {
            (slot.slot, cosigned.size)
            for slot in slots
            for cosigned in slot.witnesses.values()
            if cosigned.size < slot.size
        }
        if witnesses
        else set()
    )


def _enough_size(slot: WitnessedSlot, needed: int) -> int:
    """Return the largest size that so many witnesses have cosigned."""
    sizes = sorted((cosigned.size for cosigned in slot.witnesses.values()), reverse=True)
    return sizes[needed - 1]


def _enough_at(slot: WitnessedSlot, needed: int) -> datetime | None:
    """Return as of when so many witnesses have signed a slot, whatever its size was."""
    times = [cosigned.at for cosigned in slot.witnesses.values() if cosigned.at is not None]
    return sorted(times, reverse=True)[needed - 1] if len(times) >= needed else None


def _age(oldest: datetime | None, now: datetime) -> float:
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
