"""The words that an inquiry and its permit share: what is asked, of whom, under which law.

Both are compared member by member (PROTOCOL §3, *Order of checks*), so both use these types.
Nothing here is secret and nothing decides.
"""

from datetime import date
from typing import Annotated, Final, TypeAlias

import msgspec

ITEMS_MAX: Final = 512
YEAR_MAX: Final = 9999

# In Python a bare $ would let a trailing line feed through; other dialects read this alike.
_END: Final = r"$(?!\n)"

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}" + _END)]
"""An id: 128 random bits in lower-case hex."""

Hex64 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}" + _END)]
"""A hash or key id in lower-case hex."""

Organisation = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}" + _END)]
"""An organisation's name on the network."""

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}" + _END)]
"""A stable word: a kind, a reason, an outcome."""

_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]{1,200}" + _END

Name = Annotated[str, msgspec.Meta(pattern=_NO_CONTROLS)]
"""A code, a citation or a name: 1 to 200 characters, no control characters."""

Text = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=200, extra_json_schema={"pattern": _NO_CONTROLS}),
]
"""A `Name` in a signed document: whoever reads or writes one looks for control characters in all
its bytes at once (`has_controls`). A look at each name was most of the cost of reading."""

Instant = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z" + _END
    ),
]
"""An instant in UTC with milliseconds."""

Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}" + _END)]
"""A calendar day in Asia/Tokyo."""

Mark = Annotated[int, msgspec.Meta(ge=0, le=1)]
"""A yes or no as 1 or 0: neither entries nor permits know booleans."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A number that every JSON reader keeps exactly."""


class Shape(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The base of every signed shape: immutable, complete, without unknown members."""


class Information(Shape, frozen=True, kw_only=True):
    """What is asked for: the table's term, the procedure's scope of it, single items."""

    term: Text
    scope: Text
    items: Annotated[tuple[Text, ...], msgspec.Meta(max_length=ITEMS_MAX)]


class OfYear(Shape, frozen=True, kw_only=True, tag="year", tag_field="kind"):
    """The records of one year."""

    year: Annotated[int, msgspec.Meta(ge=0, le=YEAR_MAX)]


class OfPeriod(Shape, frozen=True, kw_only=True, tag="period", tag_field="kind"):
    """The records of a period, both days included."""

    first: Day = msgspec.field(name="from")
    last: Day = msgspec.field(name="to")

    def __post_init__(self) -> None:
        """Refuse days that do not exist and a period that ends before it begins."""
        if date.fromisoformat(self.first) > date.fromisoformat(self.last):
            raise ValueError("a period ends before it begins")


class Latest(Shape, frozen=True, kw_only=True, tag="latest", tag_field="kind"):
    """The latest record."""


Condition: TypeAlias = OfYear | OfPeriod | Latest


class Terms(Shape, frozen=True, kw_only=True):
    """The members in which a permit must equal its inquiry."""

    inquirer_body: Text
    provider_body: Text
    department: Text
    affair: Text
    procedure: Text
    citation: Text
    information: Information
    subject_role: Text
    condition: Condition
    non_disclosure: Mark
    law_version: Text
    law_day: Day


TERMS: Final = Terms.__struct_fields__
"""The names of the shared members."""


def has_controls(raw: bytes) -> bool:
    """Tell whether any string of a canonical document holds a control character.

    Canonical JSON escapes quotes, backslashes and what lies below U+0020, and nothing else.
    """
    if b"\x7f" in raw:
        return True
    return b"\\" in raw and b"\\" in raw.replace(b"\\\\", b"").replace(b'\\"', b"")


def differing_terms(one: msgspec.Struct, other: msgspec.Struct) -> tuple[str, ...]:
    """Return the names of the shared members in which the two differ, in a fixed order."""
    return tuple(name for name in TERMS if getattr(one, name) != getattr(other, name))
