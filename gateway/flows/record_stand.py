"""What of a slot may be signed by whoever reads it, whatever the database says (ADR 17).

A row counts with its writer's seal alone. Its tree must continue what was marked as signed on this
machine. A database that went back is signed as far as its own row proves that it had been before.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from gateway.flows.record_marks import Mark, MarkMovedError
from gateway.flows.record_types import SlotDoubtedError, SlotFrozenError
from gateway.flows.slot_seals import SlotSeals
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint
from gateway.records.tree import EMPTY_ROOT
from gateway.storage.database import Connection
from gateway.storage.slots import SlotState
from gateway.storage.tiles import roots_within

T = TypeVar("T")

TRIES_MAX: Final = 16
"""How often one compares anew while a busy writer signs what comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The largest tree of a slot that may be signed, and the mark that it was compared with."""

    checkpoint: Checkpoint
    mark: Mark | None


async def stand_of(
    connection: Connection, state: SlotState, *, mark: Mark | None, seals: SlotSeals
) -> Stand:
    """Return what of a slot may be signed; `mark` was read before `state`, so it is not ahead.

    Raises:
        SlotDoubtedError: the row is nobody's, or behind or beside what was signed.
        SlotFrozenError: something else was signed, or nothing is proven to be ours.
    """
    seals.require(state)
    if not state.is_prefix:
        raise SlotFrozenError(f"slot {state.slot}: something else was signed before")
    origin = seals.origin(state.slot)
    signed = Checkpoint(origin, state.signed_size, state.signed_root)
    if mark is not None and mark.size > state.size:
        if not state.is_frozen:
            raise SlotDoubtedError(state.slot, "more of it was signed than is there")
        return Stand(checkpoint=_proven(signed), mark=mark)
    if mark is not None and not await begins_with(connection, state, mark):
        raise SlotDoubtedError(state.slot, "something else was signed before")
    if not state.is_frozen:
        return Stand(checkpoint=Checkpoint(origin, state.size, state.root), mark=mark)
    if mark is not None and mark.size > signed.size:
        signed = Checkpoint(origin, mark.size, mark.root)
    return Stand(checkpoint=_proven(signed), mark=mark)


async def begins_with(connection: Connection, state: SlotState, mark: Mark) -> bool:
    """Tell whether the tree of a slot, which is at least as large, begins with this one."""
    if mark.size == state.size:
        return mark.root == state.root
    if not mark.size:
        return mark.root == EMPTY_ROOT
    try:
        roots = await roots_within(connection, state.slot, (mark.size,), state.size)
    except RecordsError:
        return False
    return roots[mark.size] == (mark.root, state.root)


async def beginnings(
    connection: Connection, slot: int, sizes: list[int], tree: Checkpoint
) -> list[Checkpoint]:
    """Return the trees of these sizes that `tree` of a slot began with.

    Raises:
        SlotDoubtedError: what is stored does not lead to that tree.
        RecordsError: node-not-held if tiles were erased that a root needs.
    """
    roots = await roots_within(connection, slot, sizes, tree.size)
    if any(whole != tree.root for _, whole in roots.values()):
        raise SlotDoubtedError(slot, "its tiles do not lead to its root")
    known = {0: EMPTY_ROOT, tree.size: tree.root} | {size: old for size, (old, _) in roots.items()}
    return [Checkpoint(tree.origin, size, known[size]) for size in sizes]


async def compared(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` does; it is done anew when something was signed meanwhile.

    Raises:
        MarkMovedError: it was so again and again.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await attempt()
        except MarkMovedError:
            continue
    return await attempt()


def _proven(checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.size:
        raise SlotFrozenError(f"{checkpoint.origin}: nothing of it is proven to be ours")
    return checkpoint
