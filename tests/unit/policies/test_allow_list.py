"""The allow list as a document: equal in, equal out, strict."""

import time
from datetime import date

import pytest

from codes.canonical import canonical_json, parse_canonical
from policies.allow_list import AllowList
from policies.facts import FactsError, load_shipped
from policies.measures import Assessment, StopSwitch
from tests.unit.policies.builders import a_grant, an_allow_list, classes, some_facts

SWITCH = StopSwitch(id="s1", by="all", reason="drill")
LAW = AllowList.build(
    some_facts(),
    version=7,
    assessments=(
        Assessment(organisation="o", file="1", side="source", covers=("*",), state="published"),
    ),
    switches=(SWITCH,),
)


def reason_of(document: dict[str, object]) -> str:
    with pytest.raises(FactsError) as caught:
        AllowList.from_document(document)
    return caught.value.reason


def test_the_document_is_canonical_json_and_comes_back_equal() -> None:
    raw = canonical_json(LAW.to_document(), bytes_max=8 * 1024 * 1024)
    read = AllowList.from_document(parse_canonical(raw, bytes_max=8 * 1024 * 1024))

    assert read == LAW
    assert read.law_version == "2026-06-14-test"
    assert canonical_json(read.to_document(), bytes_max=8 * 1024 * 1024) == raw


def test_anything_unknown_in_the_document_is_refused() -> None:
    document = LAW.to_document()

    assert reason_of(document | {"more": "x"}) == "allow-list-malformed"
    assert reason_of(document | {"type": "directory"}) == "unknown-format"
    assert reason_of(document | {"format": 2}) == "unknown-format"
    assert reason_of(document | {"law_version": "other"}) == "law-version-differs"
    assert reason_of(document | {"version": -1}) == "version-out-of-range"
    assert reason_of(document | {"switches": [{"id": "s", "by": "all"}]}) == "allow-list-malformed"
    both = {"id": "s", "by": "all", "value": "x", "reason": "r"}
    assert reason_of(document | {"switches": [both]}) == "allow-list-malformed"


def test_cells_and_procedures_that_never_meet_give_no_entry() -> None:
    ended = a_grant("14の2", "市町村長", "法務大臣", "T-family", to=date(2024, 6, 1))
    others = tuple(grant for grant in some_facts().grants if grant.row_no != "14の2")

    law = an_allow_list(grants=(*others, ended))

    assert "P-new" in LAW.cells_of
    assert "P-new" not in law.cells_of


def test_a_directory_states_classes_by_id_or_word() -> None:
    assert LAW.classes_of(["市長"]) == LAW.classes_of(["C-市長"]) >= classes("市町村長")


def test_the_shipped_law_is_read_from_its_document_quickly() -> None:
    document = AllowList.build(load_shipped(), version=1).to_document()

    begun = time.process_time()
    AllowList.from_document(document)

    # Usually 60 ms; the promise is well under 300 ms on a quiet machine.
    assert time.process_time() - begun < 2.0
