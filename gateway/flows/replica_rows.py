"""Lines of a replica batch into rows to be stored: read strictly, checked, sealed; the hot loop.

A refused line is told by its place and a reason, never by what it says. Everything here is plain
work on bytes: a thousand lines at a time, without waiting for anybody.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec
from msgspec import UNSET

from codes.errors import CodesError
from codes.strict_json import load_strict
from gateway.flows.vault import Vault
from gateway.storage import replicas
from gateway.storage.replica_batches import Finding, PutRow
from gateway.wire.replicas import ITEMS_MAX, LINE_BYTES_MAX, ReasonOfNull, ReplicaRow

FINDINGS_MAX: Final = 1000
_RECORD_KEY: Final = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)
_UNIFIED_NUMBER_MAX: Final = 15
_REQUIRED_MEMBERS: Final = 2
_NUL: Final = b"\\u0000"
_DECODE: Final = msgspec.json.Decoder(ReplicaRow).decode
_ENCODE: Final = msgspec.json.Encoder().encode

# What a refused line is told with.
MALFORMED: Final = "malformed"
NUMBER: Final = "unified-number"
KEY: Final = "record-key"
UNKNOWN_ITEM: Final = "unknown-item"
NO_ITEMS: Final = "no-items"
NO_PUBLICATION: Final = "no-publication-day"
PERIOD: Final = "period"
PUBLICATION: Final = "publication"
DELETION: Final = "deletion"


class _RefusedRowError(Exception):
    """One line is not taken; its only argument is the reason."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the lines so far."""

    put: int = 0
    deleted: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many lines there were."""
        return self.put + self.deleted + self.refused

    def refuse(self, ordinal: int, reason: str) -> None:
        """Count a refused line; only the first thousand are told of."""
        self.refused += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(ordinal, reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRules:
    """What the rows of one batch must be like."""

    term: str
    items: frozenset[str]
    generation: int
    key_year: int
    today: date
    may_put: bool
    may_delete: bool


class RowMaker:
    """Makes the rows of one batch."""

    def __init__(self, vault: Vault, rules: RowRules) -> None:
        self._rules = rules
        self._subject = vault.subject_index
        self._seal = vault.sealer(
            replicas.TABLE, replicas.ITEMS, rules.key_year, generation=rules.generation
        )
        self.tally = Tally()

    def make(self, lines: Iterable[bytes]) -> list[PutRow]:
        """Return the rows of these lines, in order; what is refused is in the tally."""
        rows: list[PutRow] = []
        tally = self.tally
        ordinal = tally.rows
        for line in lines:
            ordinal += 1
            try:
                row = self._row(line, ordinal)
            except _RefusedRowError as refused:
                tally.refuse(ordinal, refused.args[0])
                continue
            rows.append(row)
            if row.is_deletion:
                tally.deleted += 1
            else:
                tally.put += 1
        return rows

    def _row(self, line: bytes, ordinal: int) -> PutRow:
        row = _read(line)
        number, key = row.unified_number, row.record_key
        if not (number.isascii() and number.isdigit() and len(number) <= _UNIFIED_NUMBER_MAX):
            raise _RefusedRowError(NUMBER)
        if not _RECORD_KEY.fullmatch(key):
            raise _RefusedRowError(KEY)
        subject = self._subject(number)
        if row.deletion is not UNSET:
            return self._deletion(row, subject, ordinal)
        return self._record(row, subject, ordinal)

    def _record(self, row: ReplicaRow, subject: bytes, ordinal: int) -> PutRow:
        rules, items = self._rules, row.items
        if not rules.may_put:
            raise _RefusedRowError(DELETION)
        if items is UNSET or not items:
            raise _RefusedRowError(NO_ITEMS)
        if not items.keys() <= rules.items:
            raise _RefusedRowError(UNKNOWN_ITEM)
        published_from = row.published_from
        if published_from is UNSET:
            raise _RefusedRowError(NO_PUBLICATION)
        first, last = _day(row.first), _day(row.last)
        if first is not None and last is not None and first > last:
            raise _RefusedRowError(PERIOD)
        until = _day(row.published_until)
        if until is not None and published_from > until:
            raise _RefusedRowError(PUBLICATION)
        term, key = rules.term, row.record_key
        box = self._seal(replicas.place(subject, term, key), _ENCODE(items))
        return PutRow(
            subject,
            term,
            key,
            rules.generation,
            ordinal,
            False,  # noqa: FBT003  # the columns of a row, in their order
            first,
            last,
            published_from,
            until,
            rules.key_year,
            box,
        )

    def _deletion(self, row: ReplicaRow, subject: bytes, ordinal: int) -> PutRow:
        rules = self._rules
        is_bare = all(
            member is UNSET for member in (row.items, row.first, row.last, row.published_until)
        )
        if row.deletion is not True or not is_bare or not rules.may_delete:
            raise _RefusedRowError(DELETION)
        begins = rules.today if row.published_from is UNSET else row.published_from
        return PutRow(
            subject,
            rules.term,
            row.record_key,
            rules.generation,
            ordinal,
            True,  # noqa: FBT003  # the columns of a row, in their order
            None,
            None,
            begins,
            None,
            rules.key_year,
            None,
        )


def _read(line: bytes) -> ReplicaRow:
    """Return a line as a row, as strictly as any other body is read."""
    try:
        row = _DECODE(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # `from None`: the original exception may carry a value.
        raise _RefusedRowError(MALFORMED) from None
    # Every member brings one colon and texts may bring more: with no more colons than members
    # that were kept, no member was written twice. Whatever else may be wrong shows as an escape.
    if line.count(b":") != _members(row) or _NUL in line:
        _read_slowly(line)
    return row


def _read_slowly(line: bytes) -> None:
    try:
        load_strict(line, bytes_max=LINE_BYTES_MAX)
    except CodesError as error:
        raise _RefusedRowError(error.reason) from None


def _members(row: ReplicaRow) -> int:
    """Return how many members of objects were kept."""
    count = _REQUIRED_MEMBERS
    for member in (row.published_from, row.published_until, row.first, row.last, row.deletion):
        if member is not UNSET:
            count += 1
    items = row.items
    if items is not UNSET:
        if len(items) > ITEMS_MAX:
            raise _RefusedRowError(UNKNOWN_ITEM)
        count += 1 + len(items)
        for value in items.values():
            if type(value) is ReasonOfNull:
                count += 1
    return count


def _day(given: date | msgspec.UnsetType) -> date | None:
    return None if given is UNSET else given


def split_lines(rest: bytes, chunk: bytes) -> tuple[list[bytes], bytes]:
    """Return the complete lines of what came so far, and what is left of the last one."""
    lines = (rest + chunk).split(b"\n")
    return lines[:-1], lines[-1]


def without_blank(lines: Sequence[bytes]) -> list[bytes]:
    """Return the lines that hold something; a carriage return at an end is a blank."""
    return [line for line in lines if line and not line.isspace()]
