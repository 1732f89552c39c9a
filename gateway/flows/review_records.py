"""People look at the record log: who looked at whose records is itself on record, beforehand.

A person is searched for by unified number; what is looked for is the HMAC of their network code
under each month's own key, and the code is shown to nobody (DESIGN §1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from certs.errors import KeyStoreError
from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.domain.staff import Staff, StaffPermission
from gateway.errors import NotFoundError, NotPermittedError
from gateway.flows.context import Context
from gateway.flows.corrections_of import CorrectionReader
from gateway.flows.exchange_of import exchange_of
from gateway.flows.person_code import code_in_records
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import DamagedRecordError, Draft, Recorded, SearchColumns
from gateway.flows.sign_in_staff import SOURCE
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note
from gateway.records.proof_files import write_proof
from gateway.records.tree import audit_paths, leaf_hash, root_from_audit_path
from gateway.storage import corrections
from gateway.storage.records import Position, StoredEntry

NEVER_SHOWN: Final = frozenset({"code", "salt"})
"""A network code, and the salt that opens the commitment to one."""
HIDDEN: Final = "hidden"

PrivateState: TypeAlias = Literal["opened", "not-permitted", "key-destroyed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSearch:
    """What to look for; everything given must match."""

    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    outcome: str | None = None
    counterparty: str | None = None
    procedure: str | None = None
    information: str | None = None
    permit_id: str | None = None
    person: UnifiedNumber | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, object]:
        """Return what was asked, for the record."""
        asked: dict[str, object | None] = {
            "since": instant(self.since) if self.since else None,
            "until": instant(self.until) if self.until else None,
            "kinds": list(self.kinds) or None,
            "outcome": self.outcome,
            "counterparty": self.counterparty,
            "procedure": self.procedure,
            "information": self.information,
            "permit_id": self.permit_id,
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCorrection:
    """A correction that belongs to an entry: whose it is, and of which entry of ours."""

    entry_id: str
    time: str
    organisation: str
    corrected_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """One entry with its proof, and its private part as far as the reader may see it."""

    opened: OpenedEntry
    state: PrivateState
    private: Mapping[str, object] | None = field(repr=False)
    proof: str = field(repr=False)
    """A C2SP tlog-proof: whoever has the log's keys needs nothing else to believe the entry."""
    corrections: tuple[NamedCorrection, ...] = ()
    """Ours and the other party's, the oldest first: nobody reads a wrong entry without them."""

    @property
    def corrected_by(self) -> tuple[str, ...]:
        """Our corrections of this very entry, the oldest first."""
        own_id = self.opened.stored.entry_id
        return tuple(one.entry_id for one in self.corrections if one.corrected_id == own_id)


class ReviewRecords:
    """The record log of one organisation, for people."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )
        self._corrections = CorrectionReader(context.database, self._reader)

    async def search(
        self, asked: RecordSearch, *, reader: Staff, after: Position | None, limit: int
    ) -> list[StoredEntry]:
        """Return a page of entries, newest first; a search for a person is recorded.

        Raises:
            NotPermittedError: the reader may search, but not for a person.
        """
        if asked.person is None:
            return await self._reader.look(_search(asked, None), after=after, limit=limit)
        if not reader.may(StaffPermission.RECORDS_SEARCH_PERSON):
            raise NotPermittedError("records: not by person")
        code = await code_in_records(self._context, asked.person)
        found: list[StoredEntry] = []
        if code is not None:
            found = await self._reader.look(_search(asked, code), after=after, limit=limit)
        await self._record(
            reader,
            {
                "what": "person-search",
                "unified_number": asked.person.text,
                "asked": asked.as_json(),
                "entries": [entry.entry_id for entry in found],
            },
            subject=code,
        )
        return found

    async def corrected_by(self, entry_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return our corrections of these entries, by entry, the oldest first."""
        async with self._context.database.read() as connection:
            rows = await corrections.made(connection, entry_ids)
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row.corrected_id, []).append(row.entry_id)
        return found

    async def show(self, entry_id: str, *, reader: Staff) -> ShownRecord:
        """Return one entry with its proof; a private part opened for somebody is recorded.

        Raises:
            NotFoundError: there is no such entry.
            DamagedRecordError: the entry is not what was recorded.
        """
        try:
            entries = await self._reader.find([entry_id])
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("records: an entry does not open") from None
        if not entries:
            raise NotFoundError("records: none of that id")
        (opened,) = entries
        shown = ShownRecord(
            opened=opened,
            state="not-permitted",
            private=None,
            proof=await self._proof(opened.stored),
            corrections=await self._named_corrections(opened),
        )
        if not reader.may(StaffPermission.RECORDS_OPEN):
            return shown
        if opened.private is None:
            return replace(shown, state="key-destroyed")
        await self._record(reader, {"what": "entry", "entries": [entry_id]}, subject=None)
        private = {
            name: HIDDEN if name in NEVER_SHOWN else value for name, value in opened.private.items()
        }
        return replace(shown, state="opened", private=private)

    async def _named_corrections(self, opened: OpenedEntry) -> tuple[NamedCorrection, ...]:
        """Return what corrects an entry or another one of its exchange, the oldest first."""
        try:
            exchange = await exchange_of(self._reader, opened)
            permits = [exchange.permit_id] if exchange.permit_id is not None else []
            own = await self._corrections.own([opened.stored.entry_id], permits)
            others = await self._corrections.others(permits)
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("records: a correction does not open") from None
        named = [
            NamedCorrection(
                entry_id=one.entry_id,
                time=one.time,
                organisation=self._context.trust.organisation,
                corrected_id=one.corrected_id,
            )
            for one in own
        ]
        named += [
            NamedCorrection(entry_id=one.entry_id, time=one.time, organisation=one.party)
            for one in others
        ]
        return tuple(sorted(named, key=lambda one: one.time))

    async def _proof(self, stored: StoredEntry) -> str:
        """Return the proof of the very bytes that are shown, or raise `DamagedRecordError`."""
        writer = self._context.writer
        recorded = (await writer.find([stored.entry_id]))[stored.entry_id]
        group = await writer.statements([recorded])
        checkpoint, leaf = parse_note(group.checkpoint).checkpoint, leaf_hash(stored.leaf)
        (path,) = audit_paths(checkpoint.size, group.indexes, [leaf], group.hashes)
        if root_from_audit_path(checkpoint.size, stored.index, leaf, path) != checkpoint.root:
            raise DamagedRecordError("records: an entry is not of the signed tree")
        return write_proof(index=stored.index, path=path, note=group.checkpoint)

    async def _record(
        self, reader: Staff, what: Mapping[str, object], *, subject: bytes | None
    ) -> None:
        draft = Draft(
            kind="records-read",
            members={},
            private={"staff": reader.staff_id, **what},
            search=SearchColumns(staff=reader.staff_id, subject=subject),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome


def _search(asked: RecordSearch, subject: bytes | None) -> Search:
    return Search(
        since=asked.since,
        until=asked.until,
        kinds=asked.kinds or None,
        outcome=asked.outcome,
        counterparty=asked.counterparty,
        procedure=asked.procedure,
        information=asked.information,
        permit_id=asked.permit_id,
        subject=subject,
    )
