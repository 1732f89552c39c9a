"""The 16-character codes of the network as immutable look-ups, each good for stated days only.

Real values are mostly not public. An invented one is marked `provisional` and begins with X, so
that nobody mistakes it for a real one; a site loads its own tables in the same form.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Generic, TypeVar

import msgspec

from codes.errors import LapsedCodeError, MalformedError, TableError, UnknownCodeError
from codes.numbers import MunicipalityCode

TABLE_BYTES_MAX: Final = 4 * 1024 * 1024
NAME_CHARACTERS_MAX: Final = 200
TABLE_NAMES: Final = ("organisations", "affairs", "procedures", "information", "items")

_PROVISIONAL: Final = re.compile(r"X[0-9A-Z]{15}", re.ASCII)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One code, its name, and the first and last day (Asia/Tokyo) on which it may be used."""

    code: str
    name: str
    valid_from: date
    valid_to: date | None = None
    provisional: bool

    def holds_on(self, day: date) -> bool:
        """Tell whether the code may be used on `day`; the last day counts."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class Body(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """機関: what the law addresses, and the organisation it belongs to."""

    organisation: str
    local_government: str | None = None


class Affair(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """事務."""


class Procedure(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """事務手続."""


class Information(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """特定個人情報: a term that rows of the law's table name."""


class Item(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """特定個人情報の項目: part of one term and, where `scope` says so, of one narrower phrase."""

    information: str
    scope: str | None = None


EntryT = TypeVar("EntryT", bound=Entry)

# The form of a real code; a provisional one has the same length and begins with X.
_FORMS: Final[MappingProxyType[type[Entry], re.Pattern[str]]] = MappingProxyType(
    {
        Body: re.compile(r"\d{16}", re.ASCII),
        Affair: re.compile(r"JM\d{14}", re.ASCII),
        Procedure: re.compile(r"JT\d{14}", re.ASCII),
        Information: re.compile(r"TM\d{14}", re.ASCII),
        Item: re.compile(r"[0-9A-WYZ][0-9A-Z]{15}", re.ASCII),
    }
)


class CodeTable(Generic[EntryT]):
    """An immutable look-up by code; refuses to exist with a duplicate or a malformed entry."""

    __slots__ = ("_by_code",)

    def __init__(self, entries: Iterable[EntryT]) -> None:
        by_code: dict[str, EntryT] = {}
        for entry in entries:
            _check_entry(entry)
            if entry.code in by_code:
                raise TableError("duplicate-code", entry.code)
            by_code[entry.code] = entry
        _refuse_duplicate_names(by_code.values())
        self._by_code = MappingProxyType(by_code)

    def find(self, code: str, on_day: date) -> EntryT:
        """Return the entry of `code`.

        Raises `UnknownCodeError`, or `LapsedCodeError` outside its days.
        """
        entry = self._by_code.get(code)
        if entry is None:
            raise UnknownCodeError("unknown-code")
        if not entry.holds_on(on_day):
            raise LapsedCodeError("lapsed-code", code)
        return entry

    def named(self, name: str, on_day: date) -> EntryT:
        """Return the entry called `name` on that day.

        Raises `UnknownCodeError`, `LapsedCodeError`, or `TableError` if several are called so.
        """
        called = [entry for entry in self if entry.name == name]
        if not called:
            raise UnknownCodeError("unknown-name")
        of_the_day = [entry for entry in called if entry.holds_on(on_day)]
        if not of_the_day:
            raise LapsedCodeError("lapsed-name")
        if len(of_the_day) > 1:
            raise TableError("ambiguous-name", f"{len(of_the_day)} entries")
        return of_the_day[0]

    def __iter__(self) -> Iterator[EntryT]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTables:
    """All tables of one edition; every item belongs to a term that is there."""

    organisations: CodeTable[Body]
    affairs: CodeTable[Affair]
    procedures: CodeTable[Procedure]
    information: CodeTable[Information]
    items: CodeTable[Item]
    _items_of: MappingProxyType[str, tuple[Item, ...]]

    @classmethod
    def parse(cls, texts: dict[str, str]) -> "CodeTables":
        """Return the tables written in `texts` (TOML by table name), or raise `TableError`."""
        if set(texts) != set(TABLE_NAMES):
            raise TableError("table-names", f"expected {', '.join(TABLE_NAMES)}")
        information = parse_table(texts["information"], Information)
        items = parse_table(texts["items"], Item)
        return cls(
            organisations=parse_table(texts["organisations"], Body),
            affairs=parse_table(texts["affairs"], Affair),
            procedures=parse_table(texts["procedures"], Procedure),
            information=information,
            items=items,
            _items_of=_group(items, information),
        )

    def items_of(self, term_id: str) -> tuple[Item, ...]:
        """Return the items of a term in table order; `UnknownCodeError` for no such term."""
        if term_id not in self.information:
            raise UnknownCodeError("unknown-code")
        return self._items_of.get(term_id, ())


def parse_table(text: str, kind: type[EntryT]) -> CodeTable[EntryT]:
    """Return the table written as TOML `[[entry]]` blocks; unknown members are refused."""
    if len(text.encode("utf-8", "surrogatepass")) > TABLE_BYTES_MAX:
        raise TableError("too-large", f"at most {TABLE_BYTES_MAX} bytes")
    try:
        document = tomllib.loads(text)
        if set(document) != {"entry"}:
            raise TableError("table-form", "expected [[entry]] blocks and nothing else")
        entries = msgspec.convert(document["entry"], type=list[kind])  # type: ignore[valid-type]
    except tomllib.TOMLDecodeError as error:
        raise TableError("not-toml", str(error)) from error
    except msgspec.ValidationError as error:
        raise TableError("table-form", str(error)) from error
    return CodeTable(entries)


@lru_cache(maxsize=1)
def shipped() -> CodeTables:
    """Return the tables that come with the program."""
    folder = resources.files("codes") / "tables"
    return CodeTables.parse(
        {name: (folder / f"{name}.toml").read_text(encoding="utf-8") for name in TABLE_NAMES}
    )


def information() -> CodeTable[Information]:
    """Return the shipped terms."""
    return shipped().information


def items_of(term_id: str) -> tuple[Item, ...]:
    """Return the shipped items of a term; `UnknownCodeError` for no such term."""
    return shipped().items_of(term_id)


def _check_entry(entry: Entry) -> None:
    form = _PROVISIONAL if entry.provisional else _FORMS[type(entry)]
    if not form.fullmatch(entry.code):
        raise TableError("code-form", f"{type(entry).__name__} {entry.code}")
    if not 0 < len(entry.name) <= NAME_CHARACTERS_MAX:
        raise TableError("name-length", entry.code)
    if entry.valid_to is not None and entry.valid_to < entry.valid_from:
        raise TableError("ends-before-it-begins", entry.code)
    if isinstance(entry, Body) and entry.local_government is not None:
        try:
            MunicipalityCode.parse(entry.local_government)
        except MalformedError as error:
            raise TableError("local-government", entry.code) from error


def _refuse_duplicate_names(entries: Iterable[Entry]) -> None:
    """Refuse two codes for one name at one time; items are told apart by their term."""
    seen: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        place = entry.information if isinstance(entry, Item) else ""
        others = seen.setdefault((place, entry.name), [])
        if any(_overlap(entry, other) for other in others):
            raise TableError("duplicate-name", entry.code)
        others.append(entry)


def _overlap(one: Entry, other: Entry) -> bool:
    return one.holds_on(other.valid_from) or other.holds_on(one.valid_from)


def _group(
    items: CodeTable[Item], terms: CodeTable[Information]
) -> MappingProxyType[str, tuple[Item, ...]]:
    grouped: dict[str, list[Item]] = {}
    for item in items:
        if item.information not in terms:
            raise TableError("item-without-term", item.code)
        grouped.setdefault(item.information, []).append(item)
    return MappingProxyType({term: tuple(members) for term, members in grouped.items()})
