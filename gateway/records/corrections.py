"""What of a recorded exchange can be corrected, and how an entry reads with its corrections. Pure.

An entry never changes: a later one says what is right (法31①の表, 個情法90–97). Corrected are the
facts of 法23 that the entry shows itself; never who the other side was, what its hashes name, or
what the law said on that day. The mark of 法23② is each party's own to set and to lift.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.records.entry import with_members
from gateway.records.errors import RecordsError
from gateway.records.kinds import Public, Refusal

INQUIRERS_MARK: Final = "non_disclosure"
PROVIDERS_MARK: Final = "non_disclosure_provider"

FACTS: Final = frozenset(
    {
        "inquirer_body",
        "provider_body",
        "department",
        "affair",
        "procedure",
        "citation",
        "information",
        "requested_at",
        "provided_at",
        "act21_2",
    }
)
"""Facts of 法23①, by the names that entries show them under."""

_OWN_MARKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "inquiry": INQUIRERS_MARK,
        "receipt": INQUIRERS_MARK,
        "provision": PROVIDERS_MARK,
        "delivery": PROVIDERS_MARK,
        "notified": PROVIDERS_MARK,
        "lapsed": PROVIDERS_MARK,
        "delivery-stopped": PROVIDERS_MARK,
    }
)
_REFUSAL: Final = "refusal"


class CorrectionGround(StrEnum):
    """Why a record is corrected: the closed list."""

    REQUEST_OF_PERSON = "request-of-person"
    OWN_FINDING = "own-finding"
    TOLD_BY_COUNTERPARTY = "told-by-counterparty"


def own_mark(public: Public) -> str:
    """Return the member under which an entry of an exchange shows its maker's own mark (法23②).

    Raises `RecordsError` (kind-not-correctable): it is no entry of an exchange.
    """
    if isinstance(public, Refusal):
        # Whoever refuses another's request is the one asked; alone, it was our own question.
        return INQUIRERS_MARK if public.counterparty is None else PROVIDERS_MARK
    try:
        return _OWN_MARKS[public.kind]
    except KeyError:
        raise RecordsError("kind-not-correctable", public.kind) from None


def correctable(public: Public) -> frozenset[str]:
    """Return the members of an entry that a correction may name; raises as `own_mark`."""
    return (FACTS & frozenset(public.__struct_fields__)) | {own_mark(public)}


def corrected(public: Public, members: Mapping[str, object]) -> Public:
    """Return how an entry reads with these members instead of its own.

    Raises:
        RecordsError: kind-not-correctable, member-not-correctable (the detail names it),
            bad-entry: no entry of this kind could say that.
    """
    strange = sorted(members.keys() - correctable(public))
    if strange:
        raise RecordsError("member-not-correctable", strange[0])
    return with_members(public, members)


def standing(public: Public, corrections: Iterable[Mapping[str, object]]) -> Public:
    """Return how an entry reads with its corrections, the oldest first: the later one wins."""
    for members in corrections:
        public = corrected(public, members)
    return public


def unchanged(before: Public, after: Public, members: Iterable[str]) -> tuple[str, ...]:
    """Return those of the members that say what was said before."""
    return tuple(
        name
        for name in sorted(members)
        if getattr(before, name) == getattr(after, name)  # shapes compare by value
    )
