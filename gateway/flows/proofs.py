"""Entries of our own log made into the statements of one message."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.flows.record import RecordWriter
from gateway.flows.record_types import Recorded
from gateway.flows.statements import to_wire
from gateway.wire.network import Group, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The groups of a message and where in them each entry stands."""

    groups: list[Group] = field(repr=False)
    _places: dict[tuple[int, int], int]

    def reference(self, recorded: Recorded) -> Reference:
        """Return the group and index under which an entry stands in this message."""
        return Reference(group=self._places[recorded.slot, recorded.index], index=recorded.index)


async def prove(writer: RecordWriter, recorded: Sequence[Recorded]) -> Proven:
    """Return the entries as statements, one group for each slot they are in."""
    groups = await writer.statement_groups(recorded)
    places = {
        (slot, index): place
        for place, (slot, group) in enumerate(groups)
        for index in group.indexes
    }
    return Proven(groups=to_wire(group for _, group in groups), _places=places)
