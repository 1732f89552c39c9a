"""Bundles: what is not one is refused or named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from codes.canonical import instant
from gateway.records import bundle as bundles
from gateway.records.bundle import write_bundle
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note
from gateway.records.verify import verify_bundle
from tests.unit.records import made
from tests.unit.records.made_bundles import (
    BEGINS,
    ENDS,
    a_bundle,
    exports,
    faults,
    logs,
    trust,
    verify,
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"type":"record-bundle"', b'"type":"x"'),
        (b'"begins":"2026-07-01T12', b'"begins":"2026-07-01T25'),
        (b'"begins":"2026-07-01T12', b'"begins":"2026-07-02T12'),
        (b'"slots"', b'"x":1,"slots"'),
        (b"{", b"\xff"),
    ],
)
def test_a_manifest_that_is_none_is_refused(old: bytes, new: bytes) -> None:
    files = dict(a_bundle(*exports()))
    files["bundle.json"] = files["bundle.json"].replace(old, new, 1)

    with pytest.raises(RecordsError) as caught:
        verify_bundle(files, trust=trust())

    assert caught.value.reason == "bad-bundle"


FILES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "another slot": ("slots/0.json", lambda raw: raw.replace(b'"slot":0', b'"slot":1')),
    "no JSON": ("slots/0.json", lambda _raw: b"["),
    "a hash that is no base64": (
        "slots/0.json",
        lambda raw: raw.replace(b'"left":["', b'"left":["*'),
    ),
    "a short hash": ("slots/0.json", lambda raw: raw.replace(b'"left":["', b'"left":["AA","')),
    "half a leaf": ("slots/0.leaves", lambda raw: raw[:-1]),
    "no leaves": ("slots/0.leaves", lambda _raw: b""),
    "half a private part": ("slots/0.private", lambda raw: raw[:-1]),
    "too long a private part": (
        "slots/0.private",
        lambda raw: raw[:8] + b"\xff\xff\xff\xff" + raw[12:],
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_malformed_slot_file_is_named(what: str) -> None:
    name, change = FILES[what]
    files = dict(a_bundle(*exports()))
    files[name] = change(files[name])

    report = verify_bundle(files, trust=trust())

    assert faults(report) == [(0, None, "bad-bundle")]


@pytest.mark.parametrize("name", ["slots/0.json", "slots/0.leaves", "slots/0.entries"])
def test_a_missing_slot_file_is_named(name: str) -> None:
    files = {key: raw for key, raw in a_bundle(*exports()).items() if key != name}

    assert faults(verify_bundle(files, trust=trust())) == [(0, None, "bad-bundle")]


def test_a_file_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "JSON_BYTES_MAX", 10)

    with pytest.raises(RecordsError, match="bad-bundle"):
        bundles.read_manifest(a_bundle(*exports()))


@pytest.mark.parametrize("cut", [1, 100])
def test_entries_cut_in_the_middle_are_truncated(cut: int) -> None:
    files = dict(a_bundle(*exports()))
    files["slots/0.entries"] = files["slots/0.entries"][:-cut]

    assert (0, 20, "truncated") in faults(verify_bundle(files, trust=trust()))


def test_a_stray_byte_after_the_entries_is_no_entry() -> None:
    files = dict(a_bundle(*exports()))
    files["slots/0.entries"] += b"\x00"

    assert verify_bundle(files, trust=trust()).is_sound


def test_a_bundle_without_private_parts_or_peer_notes_is_a_bundle() -> None:
    bare = [replace(export, private={}) for export in exports()]

    assert verify(*bare).is_sound


def test_notes_of_peers_travel_in_the_bundle() -> None:
    held = logs()[0][1]
    files = dict(
        write_bundle(
            network=made.NETWORK,
            organisation="gunma-union",
            begins=instant(BEGINS),
            ends=instant(ENDS),
            directory=b"{}",
            slots=exports(),
            peer_notes=held,
        )
    )

    assert bundles.read_peer_notes(files) == tuple(held)
    assert parse_note(held[0]).checkpoint.size == 5
