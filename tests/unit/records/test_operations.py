"""Monthly archives of operation records: what a row says, and what of a file is believed."""

import csv
import io
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from certs.log_keys import LogPublicKeys
from gateway.records.errors import RecordsError
from gateway.records.operations import (
    COLUMNS,
    IDS_SHOWN,
    OPERATIONS,
    OperationRow,
    archive_origin,
    operation_row,
    read_csv,
    sign_archive,
    strange_rows,
    verify_archive,
    write_csv,
)
from tests.unit.records import made

ORIGIN = archive_origin(made.NETWORK, made.ORGANISATION, "2026-07")
SECOND = int(made.NOON.timestamp())


def a_row(index: int = 0, **private: Any) -> OperationRow:
    entry = made.an_entry("records-read", members={}, number=index)
    return operation_row(entry.public, private, index=index, leaf_hash=entry.leaf_hash)


def keys(_: datetime) -> LogPublicKeys:
    return made.a_signer().public


def signed(raw: bytes, *, count: int = 1, origin: str = ORIGIN) -> str:
    return sign_archive(raw, count=count, origin=origin, signer=made.a_signer(), time=SECOND)


def test_operations_are_what_belongs_to_no_exchange() -> None:
    assert {"staff-session", "records-read", "hold-approved", "security-events"} <= OPERATIONS
    assert OPERATIONS.isdisjoint({"inquiry", "provision", "refusal", "result-acknowledged"})


@pytest.mark.parametrize(
    ("private", "party", "who"),
    [
        ({"staff": "a1"}, "staff", "a1"),
        ({"by": "a1", "account": "b2"}, "staff", "a1"),
        ({"system": "tax", "client_id": "c"}, "client", "tax"),
        ({"maker": "a1", "maker_kind": "staff"}, "staff", "a1"),
        ({"peer": "union"}, "organisation", "union"),
        ({"ranges": []}, "instance", ""),
    ],
)
def test_a_row_says_who_did_it(private: dict[str, Any], party: str, who: str) -> None:
    row = a_row(**private)

    assert (row.party, row.who) == (party, who)


def test_a_row_names_ids_and_nobody() -> None:
    row = a_row(
        staff="a1",
        what="person-search",
        unified_number="123456789012345",
        code="x",
        entries=[f"e{number}" for number in range(IDS_SHOWN + 2)],
        begins="2026-07-01T00:00:00.000Z",
    )

    listed = ",".join(f"e{number}" for number in range(IDS_SHOWN))
    assert row.done == "person-search"
    assert row.concerns == f"entries={listed}+2 begins=2026-07-01T00:00:00.000Z"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'x", 'a "b", c', "a\nb"])
def test_no_cell_is_a_formula_and_every_cell_comes_back(cell: str) -> None:
    row = a_row(system=cell)

    raw = write_csv([row])

    (header, line) = csv.reader(io.StringIO(raw.decode(), newline=""))
    assert tuple(header) == COLUMNS
    assert not line[COLUMNS.index("who")].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert raw.endswith(b"\r\n")
    assert read_csv(raw) == [row]


def test_a_signed_archive_gives_its_rows() -> None:
    rows = [a_row(index) for index in range(3)]
    raw = write_csv(rows)

    assert verify_archive(raw, signed(raw, count=3), origin=ORIGIN, keys=keys) == rows
    empty = write_csv([])
    assert verify_archive(empty, signed(empty, count=0), origin=ORIGIN, keys=keys) == []


@pytest.mark.parametrize(
    ("raw", "note", "reason"),
    [
        (write_csv([a_row(1)]), signed(write_csv([a_row()])), "archive-changed"),
        (write_csv([a_row()]), signed(write_csv([a_row()]), count=2), "archive-changed"),
        (
            write_csv([a_row()]),
            signed(write_csv([a_row()]), origin=ORIGIN.replace("07", "08")),
            "wrong-origin",
        ),
        (write_csv([a_row()]), signed(write_csv([a_row()])).replace("\n1\n", "\n2\n"), "bad-s"),
        (
            write_csv([replace(a_row(), slot="x")]),
            signed(write_csv([replace(a_row(), slot="x")])),
            "bad-archive",
        ),
        (b"x\r\n", signed(b"x\r\n", count=0), "bad-archive"),
        (b"\xff", signed(b"\xff", count=0), "bad-archive"),
        (b'"', signed(b'"', count=0), "bad-archive"),
        (b"time\r\n1,2\r\n", signed(b"time\r\n1,2\r\n"), "bad-archive"),
    ],
)
def test_what_was_not_signed_so_is_named(raw: bytes, note: str, reason: str) -> None:
    with pytest.raises(RecordsError, match=reason):
        verify_archive(raw, note, origin=ORIGIN, keys=keys)


def test_rows_that_are_not_of_the_log_are_named() -> None:
    rows = [a_row(index) for index in range(3)]
    leaves = {(0, 0): bytes.fromhex(rows[0].leaf_hash), (0, 1): bytes(32)}

    compared, strange = strange_rows(rows, lambda slot, index: leaves.get((slot, index)))

    assert (compared, strange) == (2, [rows[1]])
