"""Operation records: the entries outside any exchange, as rows of a signed monthly archive.

They say what people, clients and the instance itself did: logins, searches that identify a
person, what was done after that. An archive is CSV (RFC 4180) with a header, and a note that both
log keys signed: its origin names organisation and month, its size counts the rows, its root is
the SHA-256 of the file. So it is checked with public keys alone, and is no checkpoint of any slot.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from typing import Final

from gateway.records.errors import RecordsError
from gateway.records.kinds import KINDS, Public
from gateway.records.note import (
    Checkpoint,
    LogSigner,
    claimed_time,
    parse_note,
    sign_checkpoint,
    verify_checkpoint,
)
from gateway.records.statements import KeysAt, posix_instant

IDS_SHOWN: Final = 16
_OF_EXCHANGES: Final = frozenset(
    {"inquiry-withdrawn", "inquiry-lapsed", "result-acknowledged", "result-lapsed"}
)
OPERATIONS: Final = frozenset(
    kind for kind, shape in KINDS.items() if shape is Public and kind not in _OF_EXCHANGES
)
"""The kinds of entries that are operation records."""

# Ids and counts that an operation may be about; no name, number or code of a person among them.
_CONCERNS: Final = (
    *("account", "hold_id", "permit_id", "flag_id", "switch_id", "request_id", "batch_id"),
    *("client_id", "legal_hold_id", "inquirer", "organisation", "peer", "listener", "count"),
    *("entries", "month", "day", "begins", "ends"),
)
_DONE: Final = ("what", "change", "event", "state")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_LINE_END: Final = "\r\n"
_PLACE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation record: what stands in a line of an archive."""

    time: str
    kind: str
    party: str
    """staff, client, organisation, or instance where nobody asked for it."""
    who: str
    """An id of that party: an account, a client's system, a member of the network."""
    done: str
    concerns: str
    entry_id: str
    leaf_hash: str
    slot: str
    index: str


COLUMNS: Final = tuple(one.name for one in fields(OperationRow))


def operation_row(
    public: Public, private: Mapping[str, object], *, index: int, leaf_hash: bytes
) -> OperationRow:
    """Return the row of an entry; nothing that names a person is taken over."""
    party, who = _who(private)
    done = next((str(private[name]) for name in _DONE if name in private), "")
    concerns = (f"{name}={_text(private[name])}" for name in _CONCERNS if name in private)
    return OperationRow(
        time=public.time,
        kind=public.kind,
        party=party,
        who=who,
        done=done,
        concerns=" ".join(concerns),
        entry_id=public.id,
        leaf_hash=leaf_hash.hex(),
        slot=str(public.slot),
        index=str(index),
    )


def write_csv(rows: Iterable[OperationRow]) -> bytes:
    """Return the file; a cell that a spreadsheet would take for a formula begins with `'`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=_LINE_END)
    writer.writerow(COLUMNS)
    writer.writerows([_safe(cell) for cell in astuple(row)] for row in rows)
    return file.getvalue().encode()


def read_csv(raw: bytes) -> list[OperationRow]:
    """Return the rows of a file that `write_csv` wrote, or raise bad-archive."""
    try:
        lines = list(csv.reader(io.StringIO(raw.decode(), newline=""), strict=True))
        rows = [
            OperationRow(**dict(zip(COLUMNS, map(_plain, line), strict=True))) for line in lines[1:]
        ]
    except (csv.Error, ValueError):
        raise RecordsError("bad-archive") from None
    if not all(_PLACE.fullmatch(row.slot) and _PLACE.fullmatch(row.index) for row in rows):
        raise RecordsError("bad-archive", "slot or index")
    if write_csv(rows) != raw:
        raise RecordsError("bad-archive", "another way to write it")
    return rows


def archive_origin(network: str, organisation: str, month: str) -> str:
    """Return the first line of an archive's note; `month` as `2026-07` (Asia/Tokyo)."""
    return f"{network}/{organisation}/operations/{month}"


def sign_archive(raw: bytes, *, count: int, origin: str, signer: LogSigner, time: int) -> str:
    """Return the note of an archive with so many rows, signed at this POSIX second."""
    return sign_checkpoint(Checkpoint(origin, count, sha256(raw).digest()), signer, time=time)


def verify_archive(raw: bytes, note: str, *, origin: str, keys: KeysAt) -> list[OperationRow]:
    """Return the rows of an archive that its organisation signed for this month.

    Raises:
        RecordsError: archive-changed if the file is not the signed one or has another number of
            rows, bad-archive, or as `verify_checkpoint`; CertsError if nobody had keys then.
    """
    parsed = parse_note(note)
    signed = verify_checkpoint(
        parsed, origin=origin, keys=keys(posix_instant(claimed_time(parsed)))
    ).checkpoint
    if signed.root != sha256(raw).digest():
        raise RecordsError("archive-changed")
    rows = read_csv(raw)
    if signed.size != len(rows):
        raise RecordsError("archive-changed", f"{signed.size} rows were signed")
    return rows


def strange_rows(
    rows: Sequence[OperationRow], leaf_at: Callable[[int, int], bytes | None]
) -> tuple[int, list[OperationRow]]:
    """Return how many rows could be held against the log, and those that are not of it.

    `leaf_at` gives the leaf hash at (slot, index), None where it is not at hand.
    """
    held = [(row, leaf_at(int(row.slot), int(row.index))) for row in rows]
    compared = [(row, leaf) for row, leaf in held if leaf is not None]
    return len(compared), [row for row, leaf in compared if leaf.hex() != row.leaf_hash]


def _who(private: Mapping[str, object]) -> tuple[str, str]:
    if "maker" in private:
        return str(private.get("maker_kind", "")), str(private["maker"])
    for party, name in (
        ("staff", "staff"),
        ("staff", "by"),
        ("client", "system"),
        ("organisation", "peer"),
        ("organisation", "organisation"),
    ):
        if name in private:
            return party, str(private[name])
    return "instance", ""


def _text(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    more = f"+{len(value) - IDS_SHOWN}" if len(value) > IDS_SHOWN else ""
    return ",".join(str(one) for one in value[:IDS_SHOWN]) + more


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith((*_FORMULA, "'")) else cell


def _plain(cell: str) -> str:
    return cell.removeprefix("'")
