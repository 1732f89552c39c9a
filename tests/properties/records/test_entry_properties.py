"""Whatever is built parses, equals canonical JSON, and takes no second spelling."""

import contextlib
from collections.abc import Mapping

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from codes.canonical import parse_canonical
from codes.errors import CanonicalError
from gateway.records.entry import parse_entry
from gateway.records.errors import RecordsError
from tests.unit.records import made

# Names may hold anything but control characters: emoji, quotes, backslashes, private use.
names = st.text(
    st.characters(exclude_categories=["Cs"], min_codepoint=0x20, exclude_characters="\x7f"),
    min_size=1,
    max_size=30,
)
inquiries = st.fixed_dictionaries(
    {
        **{name: st.just(value) for name, value in made.INQUIRY.items()},
        "department": names,
        "citation": names,
        "information": st.fixed_dictionaries(
            {"term": names, "scope": names, "items": st.lists(names, max_size=4)}
        ),
        "condition": st.one_of(
            st.fixed_dictionaries({"kind": st.just("year"), "year": st.integers(0, 9999)}),
            st.just({"kind": "latest"}),
            st.just({"kind": "period", "from": "2026-04-01", "to": "2027-03-31"}),
        ),
        "non_disclosure": st.integers(0, 1),
    }
)


@given(inquiries)
def test_what_is_built_parses_and_is_canonical(members: Mapping[str, object]) -> None:
    entry = made.an_entry(members=members)

    parsed = parse_entry(entry.raw)

    assert parsed.leaf_hash == entry.leaf_hash
    document = parse_canonical(entry.raw)
    assert {name: document[name] for name in members} == members
    assert rfc8785.dumps(document) == entry.raw  # type: ignore[arg-type]  # its own JSON type


@given(st.data())
def test_a_mutated_entry_is_another_entry_or_none(data: st.DataObject) -> None:
    raw = made.an_entry(data.draw(st.sampled_from(sorted(made.MEMBERS)))).raw
    at = data.draw(st.integers(0, len(raw)))
    cut = data.draw(st.integers(0, 3))
    mutated = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + cut :]

    with contextlib.suppress(RecordsError):
        parsed = parse_entry(mutated)
        assert parsed.raw == mutated
        parse_canonical(mutated)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_parsing_is_total(raw: bytes) -> None:
    with pytest.raises(RecordsError):
        parse_entry(raw)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_no_member_outside_the_kind_gets_in(value: object) -> None:
    with pytest.raises(RecordsError):
        made.an_entry(members={**made.INQUIRY, "extra": value})
    with contextlib.suppress(RecordsError, CanonicalError):
        raw = made.an_entry(members={**made.INQUIRY, "department": value}).raw
        assert parse_canonical(raw)["department"] == value
