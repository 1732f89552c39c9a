"""What we stated about a party's exchanges, by permit id (`POST /v1/statements:fetch`).

Shared by the gateway and the core: each says for itself whose exchange an entry is of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from codes.canonical import instant
from gateway.flows.context import Context
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Recorded
from gateway.flows.trust import CORE
from gateway.records.entry import parse_entry
from gateway.records.kinds import (
    Correction,
    Delivery,
    OfPermit,
    Provision,
    Public,
    Receipt,
    Refusal,
)
from gateway.storage.records import StoredEntry, find_by_permit
from gateway.wire.network import Group, Reference

PERMITS_AT_ONCE: Final = 50
"""A page of the log holds all entries of so many permits."""

IsParty: TypeAlias = Callable[[str, Public], bool]
"""Tells whether an entry states something of an exchange of this organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Statements of several permits, and where each stands in the message."""

    groups: list[Group] = field(repr=False)
    by_permit: Mapping[str, list[Reference]]


async def fetch_statements(
    context: Context, sender: str, permit_ids: Sequence[str], *, is_party: IsParty
) -> Fetched:
    """Return the statements that name the sender's exchanges; others' permits are left out."""
    found = await _find(context, sender, permit_ids, is_party)
    proven: Proven = await prove(
        context.writer, [entry for entries in found.values() for entry in entries]
    )
    return Fetched(
        groups=proven.groups,
        by_permit={
            permit_id: [proven.reference(entry) for entry in entries]
            for permit_id, entries in found.items()
        },
    )


class OwnStatements:
    """A gateway's own statements, for the other parties of its exchanges."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def fetch(self, sender: str, permit_ids: Sequence[str]) -> Fetched:
        """Return our statements of the sender's own exchanges; others' permits are left out."""
        return await fetch_statements(self._context, sender, permit_ids, is_party=is_counterparty)


async def exchanges_of(context: Context, sender: str, permit_ids: Sequence[str]) -> frozenset[str]:
    """Return those of the permits that stand for exchanges of this gateway with the sender."""
    return frozenset(await _find(context, sender, permit_ids, is_counterparty))


def is_counterparty(sender: str, public: Public) -> bool:
    """Tell whether a gateway's entry is of an exchange with the sender; the core is in them all."""
    match public:
        case Provision() | Delivery() | OfPermit():
            return sender in (CORE, public.inquirer)
        case Receipt():
            return sender in (CORE, public.peer)
        case Refusal():
            return sender in (CORE, public.counterparty)
        case _:
            return False


async def _find(
    context: Context, sender: str, permit_ids: Sequence[str], is_party: IsParty
) -> dict[str, list[Recorded]]:
    wanted = list(dict.fromkeys(permit_ids))
    found: dict[str, list[Recorded]] = {}
    async with context.database.read() as connection:
        for start in range(0, len(wanted), PERMITS_AT_ONCE):
            some = wanted[start : start + PERMITS_AT_ONCE]
            found |= _own(await find_by_permit(connection, some), sender, is_party)
    return found


def _own(
    stored: Sequence[StoredEntry], sender: str, is_party: IsParty
) -> dict[str, list[Recorded]]:
    """Return the sender's entries by permit; a correction is of the exchange that it corrects."""
    own: dict[str, list[Recorded]] = {}
    corrections: list[tuple[str, Recorded]] = []
    for entry in stored:
        public = parse_entry(entry.leaf).public
        permit_id = getattr(public, "permit_id", None)
        if permit_id is None:
            continue
        if isinstance(public, Correction):
            corrections.append((permit_id, _recorded(entry)))
        elif is_party(sender, public):
            own.setdefault(permit_id, []).append(_recorded(entry))
    for permit_id, correction in corrections:
        if permit_id in own:
            own[permit_id].append(correction)
    return own


def _recorded(stored: StoredEntry) -> Recorded:
    return Recorded(
        entry_id=stored.entry_id,
        entry=stored.leaf,
        leaf_hash=stored.leaf_hash,
        slot=stored.slot,
        index=stored.index,
        time=instant(stored.time),
    )
