"""One changed byte in a copy of an export: the verifier names the entry."""

import zipfile
from pathlib import Path

from gateway.demo.evidence_scene import tamper
from gateway.records.bundle import SlotExport, read_slot, write_bundle
from gateway.records.tree import leaf_hash

ENTRIES = tuple(f'{{"number":{number}}}'.encode() for number in range(5))


def bundle_of(folder: Path) -> Path:
    """Write a bundle of two slots, the second the fuller one."""
    slots = [
        SlotExport(
            slot=slot,
            first=10,
            left=(),
            entries=entries,
            leaves=tuple(map(leaf_hash, entries)),
            notes=(),
        )
        for slot, entries in ((0, ENTRIES[:2]), (3, ENTRIES))
    ]
    path = folder / "city.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in write_bundle(
            network="demo",
            organisation="city",
            begins="2026-07-01T00:00:00.000Z",
            ends="2026-07-02T00:00:00.000Z",
            directory=b"{}",
            slots=slots,
        ):
            archive.writestr(name, content)
    return path


def slot_of(path: Path, slot: int) -> SlotExport:
    with zipfile.ZipFile(path) as archive:
        return read_slot({name: archive.read(name) for name in archive.namelist()}, slot)


def test_one_entry_of_the_fullest_slot_is_another_and_nothing_else(tmp_path: Path) -> None:
    original = bundle_of(tmp_path)

    tampered = tamper(original)
    before, after = slot_of(original, tampered.slot), slot_of(tampered.bundle, tampered.slot)

    changed = [
        before.first + place
        for place, (one, other) in enumerate(zip(before.entries, after.entries, strict=True))
        if one != other
    ]
    assert (tampered.slot, changed) == (3, [tampered.index])
    assert slot_of(tampered.bundle, 0) == slot_of(original, 0)
    assert after.leaves == before.leaves


def test_the_original_stays_as_it_was(tmp_path: Path) -> None:
    original = bundle_of(tmp_path)
    raw = original.read_bytes()

    tamper(original)

    assert original.read_bytes() == raw
