"""Which copies of the key store there are, and until when each may live: a register, no I/O.

Erasing a month destroys its key; a copy of the key store from before still holds it. So each copy
is known by its place from before it is made until it is gone (PROTOCOL §5, Erasure: 35 days).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from codes.canonical import instant, parse_instant
from gateway.domain.backup import KEY_STORE_KEPT, Hex16, Instant, Name

How = Literal["removed", "not-found", "place-gone"]
"""How a copy ended: by us; nobody knows, it was not in its place when its time was over; or by the
operator's word that the whole place was destroyed."""


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is absent is left out: canonical JSON knows no null."""


class KeyStoreCopy(_Part, frozen=True, kw_only=True):
    """One copy: its id, the name of its folder, when it was taken, and how it ended."""

    id: Hex16
    name: Annotated[str, msgspec.Meta(max_length=200)]
    taken_at: Instant
    ended_at: Instant | None = None
    how: How | None = None

    @property
    def until(self) -> datetime:
        """Return when it may no longer be there."""
        return parse_instant(self.taken_at) + KEY_STORE_KEPT

    def ended(self, how: How, now: datetime) -> "KeyStoreCopy":
        """Return it as it ended; how it did is said once."""
        if self.how is not None:
            return self
        return msgspec.structs.replace(self, ended_at=instant(now), how=how)


class CopyPlace(_Part, frozen=True, kw_only=True):
    """A folder that copies were made in; `id` stands in a file there, so that it is known again."""

    id: Hex16
    path: Annotated[str, msgspec.Meta(max_length=4096)]
    copies: list[KeyStoreCopy]


class CopyRegister(_Part, frozen=True, kw_only=True):
    """Every place and every copy of one instance; nothing secret is in it."""

    type: Literal["key-store-copies"]
    version: Literal[1]
    network: Name
    organisation: Name
    written_at: Instant
    places: list[CopyPlace]

    @property
    def living(self) -> list[KeyStoreCopy]:
        """Return the copies of which nobody knows that they are gone, oldest first."""
        return sorted(
            (copy for place in self.places for copy in place.copies if copy.how is None),
            key=lambda copy: copy.taken_at,
        )

    def copy(self, copy_id: str) -> KeyStoreCopy | None:
        """Return the copy of this id, gone or not, if it is still remembered."""
        copies = (copy for place in self.places for copy in place.copies)
        return next((copy for copy in copies if copy.id == copy_id), None)

    def overdue(self, now: datetime) -> list[KeyStoreCopy]:
        """Return those that should be gone."""
        return [copy for copy in self.living if now >= copy.until]

    def with_place(self, place: CopyPlace) -> "CopyRegister":
        """Return the register with this place instead of the one of its id."""
        others = [one for one in self.places if one.id != place.id]
        return msgspec.structs.replace(self, places=[*others, place])

    def tidied(self, now: datetime) -> "CopyRegister":
        """Return it without what nobody asks for any more.

        What ended is remembered as long as an erasure may still wait for a copy beside it.
        """
        oldest = min((parse_instant(copy.taken_at) for copy in self.living), default=now)
        since = min(oldest, now - 2 * KEY_STORE_KEPT)
        places = [
            msgspec.structs.replace(place, copies=list(_kept(place, since)))
            for place in self.places
        ]
        return msgspec.structs.replace(self, places=[place for place in places if place.copies])


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a look at every place did: names that were removed, and how many should be gone."""

    removed: list[str]
    left: int


def _kept(place: CopyPlace, since: datetime) -> Iterator[KeyStoreCopy]:
    for copy in place.copies:
        if copy.how is None or parse_instant(copy.taken_at) >= since:
            yield copy
