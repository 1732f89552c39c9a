"""No edit of an exported log goes unseen, and the first bad index is the one that is named."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.records.bundle import SlotExport
from gateway.records.verify import Report
from tests.unit.records.made_bundles import exports, verify

ROWS = 12
FIRST = 9


def edited(rows: list[bytes]) -> Report:
    ours, other = exports()
    export: SlotExport = replace(ours, entries=tuple(rows))
    return verify(export, other)


def named(report: Report) -> list[int | None]:
    return [fault.index for fault in report.faults if fault.slot == 0]


@given(st.integers(0, ROWS - 1), st.data())
def test_any_changed_byte_is_named(position: int, data: st.DataObject) -> None:
    rows = list(exports()[0].entries)
    raw = rows[position]
    at = data.draw(st.integers(0, len(raw) - 1))
    rows[position] = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]

    assert min(index for index in named(edited(rows)) if index is not None) == FIRST + position


@given(st.permutations(range(ROWS)))
def test_any_other_order_is_named(order: list[int]) -> None:
    rows = list(exports()[0].entries)
    first = next((place for place, row in enumerate(order) if place != row), None)

    indexes = named(edited([rows[row] for row in order]))

    assert indexes[:1] == ([] if first is None else [FIRST + first])


@given(st.sets(st.integers(0, ROWS - 1), min_size=1))
def test_any_missing_rows_are_named(gone: set[int]) -> None:
    rows = [row for place, row in enumerate(exports()[0].entries) if place not in gone]

    indexes = named(edited(rows))

    assert min(index for index in indexes if index is not None) == FIRST + min(gone)


@given(st.data())
def test_any_changed_character_of_a_signed_note_is_named(data: st.DataObject) -> None:
    ours, other = exports()
    place = data.draw(st.integers(0, len(ours.notes) - 1))
    note = ours.notes[place].note
    by_the_log = note.index("\u2014 testnet/core/witness")
    at = data.draw(st.integers(0, by_the_log - 1))
    change = data.draw(st.characters(exclude_characters=note[at]))
    changed = replace(ours.notes[place], note=note[:at] + change + note[at + 1 :])
    notes = (*ours.notes[:place], changed, *ours.notes[place + 1 :])

    assert not verify(replace(ours, notes=notes), other).is_sound
