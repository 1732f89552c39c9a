"""Ground for why a slot begins late or is empty: an `erased` entry, proved to be in the log.

A month goes seven years after its last entry (令30); the entry that says so names, for every slot,
from which index on anything is kept. It counts here only if a slot of the same bundle holds it,
its private part is the one it committed to, its month was due, and the roots it names fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from certs.terms import Count, Shape
from codes.canonical import b64, parse_instant, unb64
from codes.errors import CodesError
from gateway.records.bundle import Files, SlotExport, decode_file
from gateway.records.entry import open_private, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.kinds import Slot
from gateway.records.slot_content import BACK_DATING_S
from gateway.records.slot_notes import SignedNote
from gateway.records.tree import HASH_BYTES, leaf_hash, verify_inclusion
from gateway.records.trust import LogTrust

ERASURES: Final = "erasures.json"
ERASED: Final = "erased"
ERASURES_MAX: Final = 4096
TERM_LEAST: Final = timedelta(days=7 * 365)
"""Seven years (令30) are no less; that it was due to the day the database saw to."""

Agreeing = Mapping[int, Sequence[SignedNote]]
"""By slot: the bundle's checkpoints that are of the exported tree."""
_Text = Annotated[str, msgspec.Meta(max_length=1024 * 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureProof:
    """An `erased` entry with its opened private part and its place in the tree of a slot."""

    slot: int
    index: int
    entry: bytes = field(repr=False)
    private: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)
    """From the leaf to the root of the largest checkpoint that the slot has in the bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A proved `erased` entry: what went was of no later time than `ended`."""

    ended: datetime
    """When the last erased month was over."""
    kept: frozenset[tuple[int, int, int, str]] = field(repr=False)
    """Of every slot: from which index on it is kept, in a tree of this size and hex root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Why a slot's export begins where it does: faults, and whether witnesses bear it out."""

    faults: tuple[Fault, ...] = ()
    is_shown: bool = True
    """Whether a cosignature shows that all that is gone was there when its month was over."""


class _ProofFile(Shape, frozen=True, kw_only=True):
    slot: Slot
    index: Count
    entry: _Text
    private: _Text
    path: _Text


class _File(Shape, frozen=True, kw_only=True):
    erasures: Annotated[tuple[_ProofFile, ...], msgspec.Meta(max_length=ERASURES_MAX)]


class _Range(msgspec.Struct, frozen=True):
    slot: int
    end: int
    size: int
    root: str


class _Said(msgspec.Struct, frozen=True):
    """What an `erased` entry says in its private part, as far as it matters here."""

    ended: str
    ranges: list[_Range]


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(_File)


def write_erasures(proofs: Sequence[ErasureProof]) -> bytes:
    """Return `erasures.json`."""
    return _ENCODER.encode(
        _File(
            erasures=tuple(
                _ProofFile(
                    slot=proof.slot,
                    index=proof.index,
                    entry=b64(proof.entry),
                    private=b64(proof.private),
                    path=b64(b"".join(proof.path)),
                )
                for proof in proofs
            )
        )
    )


def read_erasures(files: Files) -> tuple[ErasureProof, ...]:
    """Return the `erased` entries that lie in a bundle, or raise bad-bundle; most have none."""
    if ERASURES not in files:
        return ()
    described = decode_file(files, ERASURES, _DECODER).erasures
    try:
        return tuple(
            ErasureProof(
                slot=one.slot,
                index=one.index,
                entry=unb64(one.entry),
                private=unb64(one.private),
                path=_hashes(unb64(one.path)),
            )
            for one in described
        )
    except CodesError:
        raise RecordsError("bad-bundle", ERASURES) from None


def proved_erasures(
    proofs: Sequence[ErasureProof], agreeing: Agreeing, trust: LogTrust
) -> list[Erasure]:
    """Return those `erased` entries that stand; any other proves nothing and is left out."""
    found = []
    for proof in proofs:
        notes = agreeing.get(proof.slot, ())
        try:
            found += [_proved(proof, note, trust) for note in notes[-1:]]
        except (RecordsError, CodesError, msgspec.ValidationError):
            continue
    return found


def check_beginning(
    export: SlotExport,
    times: Sequence[datetime],
    *,
    begins: datetime,
    agreeing: Sequence[SignedNote],
    erasures: Sequence[Erasure],
    cosigners_min: int,
) -> Beginning:
    """Return whether entries of the period may be missing before the first one of the export.

    `times` are those of its entries up to the first bad one. That nothing from before the period
    is here takes an erasure that ends exactly where the export begins.
    """
    is_late = times[0] >= begins if times else not export.leaves
    if not export.first or not is_late:
        return Beginning()
    roots = {
        (export.slot, export.first, note.checkpoint.size, note.checkpoint.root.hex())
        for note in agreeing
    }
    ended = [
        one.ended for one in erasures if one.kept & roots and (not times or one.ended <= times[0])
    ]
    if not ended:
        detail = "no entry from before the period, and no erasure that ends here"
        fault = Fault(slot=export.slot, index=export.first, reason="begins-late", detail=detail)
        return Beginning(faults=(fault,), is_shown=False)
    seen = [
        note.cosigned_at[-cosigners_min]
        for note in agreeing
        if note.checkpoint.size >= export.first and len(note.cosigned_at) >= cosigners_min
    ]
    latest = max(ended).timestamp() + BACK_DATING_S
    return Beginning(is_shown=bool(seen) and min(seen) <= latest)


def _proved(proof: ErasureProof, note: SignedNote, trust: LogTrust) -> Erasure:
    """Return what the entry says, if this checkpoint holds it and it may say so."""
    verify_inclusion(
        size=note.checkpoint.size,
        index=proof.index,
        leaf=leaf_hash(proof.entry),
        path=proof.path,
        expected_root=note.checkpoint.root,
    )
    public = parse_entry(proof.entry).public
    if (public.kind, public.organisation, public.slot) != (ERASED, trust.organisation, proof.slot):
        raise RecordsError("wrong-entry")
    said = msgspec.convert(open_private(proof.private, public.private), _Said)
    ended, made_at = parse_instant(said.ended), parse_instant(public.time)
    is_due = ended + TERM_LEAST <= made_at
    if not is_due or made_at.timestamp() > note.time + BACK_DATING_S:
        raise RecordsError("not-due")
    kept = frozenset((one.slot, one.end, one.size, one.root) for one in said.ranges)
    return Erasure(ended=ended, kept=kept)


def _hashes(raw: bytes) -> tuple[bytes, ...]:
    if len(raw) % HASH_BYTES:
        raise RecordsError("bad-bundle", ERASURES)
    return tuple(raw[start : start + HASH_BYTES] for start in range(0, len(raw), HASH_BYTES))
