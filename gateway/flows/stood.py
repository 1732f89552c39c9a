"""What stood at a moment of the past: the kept basis of decisions, and what measures stood then.

Every kept basis is held against its own entry of the log and every document against its digest:
what was changed in the database since is named and judges nobody.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias, TypeVar

from certs.bodies import ListedBodies
from certs.directory import ALLOW_LIST_BYTES_MAX, ALLOW_LIST_TYPE
from certs.documents import read_document
from certs.errors import CertsError, KeyStoreError
from codes.canonical import tokyo_month
from gateway.flows.keep_basis import LAW_KIND, RULES_KIND
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.trust import Trust
from gateway.records.errors import RecordsError
from gateway.storage import basis, erasures
from gateway.storage.basis import Basis
from gateway.storage.database import Database
from gateway.storage.flags import Flag
from gateway.storage.records import PAGE_ENTRIES_MAX
from gateway.storage.switches import SwitchRow
from policies.allow_list import AllowList
from policies.facts import FactsError
from policies.release import ReleaseRules, RulesError

MARGIN: Final = timedelta(seconds=30)
"""A decision and a change within it may have met in either order."""
SPREAD: Final = timedelta(minutes=15)
"""How long after one worker adopted a directory another may still decide by the one before.

Each looks for itself, every minute if the site says nothing else, and who is shown a newer version
looks at once. Who hears nothing of the core for as long as this is no longer cosigned either, and
decides nothing new (PROTOCOL §5, Witnesses): fifteen minutes are both.
"""

Period: TypeAlias = tuple[datetime, datetime]
T = TypeVar("T", Flag, SwitchRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisFault:
    """A kept basis that is not what its entry says; `what` of it."""

    entry_id: str
    kind: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodBasis:
    """One basis, read again; for a decision it takes the directory's place."""

    row: Basis
    law: AllowList = field(repr=False)
    bodies: ListedBodies = field(repr=False)
    rules: ReleaseRules = field(repr=False)

    @property
    def digest(self) -> str:
        """Return what names these bodies and the allow list beside them, and nothing else."""
        return f"{self.row.bodies}+{self.row.allow_list}"

    def organisation_of(self, body_code: str) -> str:
        """Return whose body it was, or raise `DirectoryError`."""
        return self.bodies.organisation_of(body_code)

    def classes_of(self, body_code: str, day: date) -> frozenset[str]:
        """Return the classes the body held on a law day, or raise `DirectoryError`."""
        return self.bodies.classes_of(body_code, day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when until when a basis may have been in use; None for one that cannot be read."""

    basis: StoodBasis | None
    begins: datetime
    ends: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Tell whether it may have been in use at that moment."""
        return self.begins <= moment and (self.ends is None or moment < self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What may have been in use at a moment; `is_known` says that there was nothing else."""

    bases: Sequence[StoodBasis]
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodBases:
    """Every basis of a period; nothing is known of before `first`."""

    windows: Sequence[Window]
    first: datetime | None
    faults: Sequence[BasisFault] = ()

    def around(self, moment: datetime) -> Around:
        """Return what may have been in use at a moment."""
        there = [window.basis for window in self.windows if window.holds(moment)]
        bases = [one for one in there if one is not None]
        return Around(
            bases=bases,
            is_known=self.first is not None
            and self.first <= moment
            and len(bases) == len(there) > 0,
        )


class _DamagedError(Exception):
    """Something kept is not what it was; the argument says what."""


class _GoneError(Exception):
    """Something kept is not there any more."""


class BasisReader:
    """Reads what was kept, through a database that need not be able to write."""

    def __init__(self, database: Database, reader: RecordReader, trust: Trust) -> None:
        self._database = database
        self._reader = reader
        self._trust = trust
        self._laws: dict[str, AllowList] = {}
        self._bodies: dict[str, ListedBodies] = {}

    async def of(self, begins: datetime, ends: datetime) -> StoodBases:
        """Return what may have been in use in a period."""
        async with self._database.read() as connection:
            rows = await basis.every(connection)
            erased = await erasures.erased_through(connection)
        slack, windows, faults = SPREAD + MARGIN, list[Window](), list[BasisFault]()
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            until = None if following is None else following.since + slack
            if row.since - slack >= ends or (until is not None and until <= begins):
                continue
            stood = None
            try:
                stood = await self._stood(row, erased)
            except _DamagedError as damaged:
                what = str(damaged)
                faults.append(BasisFault(entry_id=row.entry_id, kind=LAW_KIND, what=what))
            except _GoneError:
                pass
            windows.append(Window(basis=stood, begins=row.since - slack, ends=until))
        known = {row.entry_id for row in rows}
        for entry_id, kind, time in await self._recorded(begins - slack, ends + slack):
            if entry_id not in known:
                faults.append(BasisFault(entry_id=entry_id, kind=kind, what="row"))
                windows.append(Window(basis=None, begins=time - slack, ends=None))
        first = min((row.since for row in rows), default=None)
        return StoodBases(windows=windows, first=first, faults=faults)

    async def _recorded(self, begins: datetime, ends: datetime) -> list[tuple[str, str, datetime]]:
        """Return the entries of a period that say that something came into use."""
        search = Search(since=begins, until=ends, kinds=(LAW_KIND, RULES_KIND))
        page = await self._reader.look(search, limit=PAGE_ENTRIES_MAX)
        return [(one.entry_id, one.kind, one.time) for one in page]

    async def _stood(self, row: Basis, erased: int | None) -> StoodBasis:
        await self._require_recorded(row, erased)
        raw_list = await self._document(row.allow_list_document, "allow-list")
        raw_bodies = await self._document(row.bodies, "bodies")
        raw_rules = await self._document(row.rules, "rules")
        if row.allow_list == self._trust.directory.allow_list_digest:
            self._laws.setdefault(row.allow_list, self._trust.law)
        if row.allow_list not in self._laws:
            self._laws[row.allow_list] = await asyncio.to_thread(_law, raw_list, row)
        if row.bodies not in self._bodies:
            self._bodies[row.bodies] = await asyncio.to_thread(_bodies, raw_bodies)
        return StoodBasis(
            row=row,
            law=self._laws[row.allow_list],
            bodies=self._bodies[row.bodies],
            rules=_rules(raw_rules),
        )

    async def _require_recorded(self, row: Basis, erased: int | None) -> None:
        """Hold a row against the entry by which it came into use.

        After seven years the entry is gone with its month, and the row is believed without.
        """
        try:
            found = await self._reader.find([row.entry_id])
        except (RecordsError, KeyStoreError):
            raise _DamagedError("entry") from None
        if found and _says(found[0], row):
            return
        month = int(tokyo_month(row.since).replace("-", ""))
        if erased is not None and month <= erased:
            return
        if found and found[0].private is None:
            raise _GoneError  # nobody reads it any more, and so nobody can say
        raise _DamagedError("entry")

    async def _document(self, digest: str, what: str) -> bytes:
        async with self._database.read() as connection:
            raw = await basis.document_of(connection, digest)
        if raw is None:
            raise _GoneError
        if hashlib.sha256(raw).hexdigest() != digest:
            raise _DamagedError(what)
        return raw


def standing(measures: Iterable[T], period: Period, *, clearly: bool) -> list[T]:
    """Return what stood for the whole of a period, or else at any moment of it."""
    first, last = period if clearly else (period[1], period[0])
    return [
        one
        for one in measures
        if one.set_at <= first
        and (one.lifted_at is None or one.lifted_at > last)
        and (one.until is None or one.until > last)
    ]


def _says(entry: OpenedEntry, row: Basis) -> bool:
    private = entry.private
    return (
        private is not None
        and entry.public.kind in {LAW_KIND, RULES_KIND}
        and all(private.get(name) == value for name, value in row.to_json().items())
    )


def _law(raw: bytes, row: Basis) -> AllowList:
    try:
        document = read_document(raw, type_=ALLOW_LIST_TYPE, bytes_max=ALLOW_LIST_BYTES_MAX)
        law = AllowList.from_document(document.signed)
    except (CertsError, FactsError):
        raise _DamagedError("allow-list") from None
    if document.digest != row.allow_list:
        raise _DamagedError("allow-list")
    return law


def _bodies(raw: bytes) -> ListedBodies:
    try:
        return ListedBodies.parse(raw)
    except CertsError:
        raise _DamagedError("bodies") from None


def _rules(raw: bytes) -> ReleaseRules:
    try:
        return ReleaseRules.from_document(raw)
    except RulesError:
        raise _DamagedError("rules") from None
