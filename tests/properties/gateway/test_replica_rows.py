"""Lines of replica batches: read no less strictly than any other body, whatever they hold."""

import json
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.keystore import KeyStore, MasterKey
from codes.errors import CodesError
from codes.strict_json import load_strict
from gateway.flows.replica_rows import RowMaker, RowRules
from gateway.flows.vault import Vault
from gateway.storage import replicas
from gateway.wire.replicas import LINE_BYTES_MAX

ITEMS = ("XTK0000010000003", "XTK0000010000004")
TODAY = date(2026, 7, 1)
SPELLINGS: tuple[dict[str, Any], ...] = (
    {},
    {"ensure_ascii": False},
    {"indent": 1},
    {"separators": (" , ", " : ")},
)
RULES = RowRules(
    term="TM00000000000002",
    items=frozenset(ITEMS),
    generation=7,
    key_year=2026,
    today=TODAY,
    may_put=True,
    may_delete=True,
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    folder = tmp_path_factory.mktemp("keys") / "store"
    master = MasterKey.generate()
    return Vault(KeyStore.create(folder, master, network="test", organisation="nagaoka"))


def values() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.text(max_size=20),
        st.integers(0, 2**53 - 1),
        st.just({"reason_of_null": "NotAcceptable"}),
    )


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row as a supplier means it."""
    row: dict[str, Any] = {
        "unified_number": draw(st.from_regex(r"[0-9]{1,15}", fullmatch=True)),
        "record_key": draw(st.from_regex(r"[0-9A-Za-z._-]{1,64}", fullmatch=True)),
        "items": draw(st.dictionaries(st.sampled_from(ITEMS), values(), min_size=1)),
        "published_from": draw(st.dates(date(2000, 1, 1), date(2030, 1, 1))).isoformat(),
    }
    if draw(st.booleans()):
        first = draw(st.dates(date(2000, 1, 1), date(2030, 1, 1)))
        row |= {"from": first.isoformat(), "to": first.isoformat()}
    return row


@given(row=rows(), spelling=st.sampled_from(SPELLINGS))
def test_a_good_row_is_taken_however_it_is_spelt(
    vault: Vault, row: dict[str, Any], spelling: dict[str, Any]
) -> None:
    line = json.dumps(row, **spelling).encode()
    maker = RowMaker(vault, RULES)

    made = maker.make([line])

    if "\\u0000" in json.dumps(row):
        assert maker.tally.findings[0].reason == "nul-character"
        return
    assert maker.tally.findings == []
    (put,) = made
    assert put.items_box is not None
    place = replicas.place(put.subject, put.term, put.record_key)
    opened = vault.open(
        replicas.TABLE, replicas.ITEMS, 2026, place, put.items_box, generation=put.generation
    )
    assert msgspec.json.decode(opened) == row["items"]


@given(line=st.binary(max_size=200))
def test_no_bytes_whatever_break_the_loop(vault: Vault, line: bytes) -> None:
    maker = RowMaker(vault, RULES)

    made = maker.make([line])

    assert len(made) + len(maker.tally.findings) == 1
    assert maker.tally.rows == 1


@given(
    row=rows(),
    cut=st.integers(0, 400),
    put=st.sampled_from(
        [b",", b'"record_key":"x",', b'"items":{},', b"\\u0000", b"\\ud800", b"\x00", b"\xff", b":"]
    ),
)
def test_what_strict_json_refuses_is_refused_here(
    vault: Vault, row: dict[str, Any], cut: int, put: bytes
) -> None:
    raw = json.dumps(row).encode()
    line = raw[: cut % len(raw)] + put + raw[cut % len(raw) :]
    maker = RowMaker(vault, RULES)

    made = maker.make([line])

    try:
        load_strict(line, bytes_max=LINE_BYTES_MAX)
    except CodesError:
        assert made == []


@given(row=rows(), name=st.sampled_from(["unified_number", "record_key", "published_from"]))
def test_a_member_written_twice_is_never_taken(
    vault: Vault, row: dict[str, Any], name: str
) -> None:
    raw = json.dumps(row).encode()
    line = raw[:-1] + b"," + json.dumps({name: row[name]}).encode()[1:]
    maker = RowMaker(vault, RULES)

    made = maker.make([line])

    assert made == []
    assert maker.tally.findings[0].reason == "duplicate-member"
