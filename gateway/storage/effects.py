"""What must be true exactly when an entry is: rows written in the entry's own transaction.

A concrete effect is a frozen dataclass beside the table it writes. Its SQL function
`effect_<KIND>(rows jsonb) RETURNS SETOF integer` gets an array of effects and returns the
0-based positions of those it accepted. The function is VOLATILE, runs with the rights of the
caller, raises nothing for a mere refusal and never emits a WARNING (the writer takes one for
an unknown result).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from gateway.errors import SekishoError

EFFECT_BYTES_MAX: Final = 16 * 1024 * 1024
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)
_ENCODER: Final = msgspec.json.Encoder()
_CLASSES: Final[dict[str, str]] = {}


class UnstorableError(SekishoError):
    """Something handed to the writer cannot be stored; refused before it queues."""

    problem = "unstorable"


class Effect(ABC):
    """A change that an entry carries; subclasses are frozen slotted dataclasses with a `KIND`.

    Effects run by (`ORDER`, `KIND`), and by `key` within a kind: every transaction takes its
    locks in the same order.
    """

    __slots__ = ()

    KIND: ClassVar[str]
    ORDER: ClassVar[int] = 50
    """Smaller runs earlier; effects that read what another kind writes come after it."""
    IS_UNIQUE: ClassVar[bool] = True
    """Whether two effects of this kind with one key must not meet in a batch.

    If not, equal effects of several entries are applied once for all of them, and also if those
    entries drop out: they must be harmless facts that are never refused.
    """

    def __init_subclass__(cls) -> None:
        # A slotted dataclass is made twice under one name; two classes never share a kind.
        kind, name = getattr(cls, "KIND", ""), f"{cls.__module__}.{cls.__qualname__}"
        if not _KIND.fullmatch(kind):
            raise TypeError(f"effect {name}: KIND must be lower-case letters, digits and _")
        if _CLASSES.setdefault(kind, name) != name:
            raise TypeError(f"effect kind {kind} belongs to {_CLASSES[kind]}, not to {name}")

    @property
    @abstractmethod
    def key(self) -> str:
        """What must be unique among the effects of this kind inside one batch."""

    def to_json(self) -> object:
        """Return what the SQL function reads: by default the dataclass as an object.

        Bytes become standard base64 with padding (`decode(x, 'base64')` in SQL), UUIDs and
        aware datetimes text, None null.
        """
        return self


@dataclass(frozen=True, slots=True)
class EncodedEffect:
    """An effect made ready before it queues: checked, encoded, sortable."""

    order: int
    kind: str
    key: str
    is_unique: bool
    row: bytes


def encode_effects(effects: Sequence[Effect]) -> tuple[EncodedEffect, ...]:
    """Return the effects ready to be stored, in their fixed order.

    Raises:
        UnstorableError: U+0000, a lone surrogate or more bytes than an entry may carry; the
            text itself is never repeated.
    """
    encoded = [_encode(effect) for effect in effects]
    if sum(len(effect.row) for effect in encoded) > EFFECT_BYTES_MAX:
        raise UnstorableError(f"effects: at most {EFFECT_BYTES_MAX} bytes an entry")
    return tuple(sorted(encoded, key=lambda effect: (effect.order, effect.kind, effect.key)))


def _encode(effect: Effect) -> EncodedEffect:
    try:
        row = _ENCODER.encode(effect.to_json())
    except UnicodeEncodeError:
        # `from None`: the original exception carries the refused text.
        raise UnstorableError(f"effect {effect.KIND}: lone surrogate") from None
    if b"\\u0000" in row and _holds_nul(msgspec.json.decode(row)):
        raise UnstorableError(f"effect {effect.KIND}: U+0000")
    return EncodedEffect(effect.ORDER, effect.KIND, effect.key, effect.IS_UNIQUE, row)


def _holds_nul(value: object) -> bool:
    # PostgreSQL holds U+0000 neither in text nor in jsonb.
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)
