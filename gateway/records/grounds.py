"""Entries that a bundle opens because they say why a slot begins late or grew no more.

Nothing in them is believed before it is proved: a slot of the same bundle holds the entry, it
committed to this private part, and it is not younger than the checkpoint that holds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec

from certs.terms import Count, Shape
from codes.canonical import b64, parse_instant, unb64
from codes.errors import CodesError
from gateway.records.bundle import Files, decode_file
from gateway.records.entry import open_private, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.kinds import Slot
from gateway.records.slot_content import BACK_DATING_S
from gateway.records.slot_notes import SignedNote
from gateway.records.tree import HASH_BYTES, leaf_hash, verify_inclusion
from gateway.records.trust import LogTrust

GROUNDS_MAX: Final = 4096

Agreeing = Mapping[int, Sequence[SignedNote]]
"""By slot: the bundle's checkpoints that are of the exported tree, the largest last."""
_Text = Annotated[str, msgspec.Meta(max_length=1024 * 1024)]
_Said = TypeVar("_Said")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundProof:
    """An entry with its opened private part and its place in the tree of a slot."""

    slot: int
    index: int
    entry: bytes = field(repr=False)
    private: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)
    """From the leaf to the root of the largest checkpoint that the slot has in the bundle."""


class _ProofFile(Shape, frozen=True, kw_only=True):
    slot: Slot
    index: Count
    entry: _Text
    private: _Text
    path: _Text


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(
    dict[str, Annotated[tuple[_ProofFile, ...], msgspec.Meta(max_length=GROUNDS_MAX)]]
)


def write_grounds(name: str, proofs: Sequence[GroundProof]) -> bytes:
    """Return the file of this name, whose one member is called like it."""
    listed = tuple(
        _ProofFile(
            slot=proof.slot,
            index=proof.index,
            entry=b64(proof.entry),
            private=b64(proof.private),
            path=b64(b"".join(proof.path)),
        )
        for proof in proofs
    )
    return _ENCODER.encode({_member(name): listed})


def read_grounds(files: Files, name: str) -> tuple[GroundProof, ...]:
    """Return the entries that a bundle opens for this, or raise bad-bundle; most have none."""
    if name not in files:
        return ()
    described = decode_file(files, name, _DECODER)
    if described.keys() != {_member(name)}:
        raise RecordsError("bad-bundle", name)
    try:
        return tuple(
            GroundProof(
                slot=one.slot,
                index=one.index,
                entry=unb64(one.entry),
                private=unb64(one.private),
                path=_hashes(unb64(one.path), name),
            )
            for one in described[_member(name)]
        )
    except CodesError:
        raise RecordsError("bad-bundle", name) from None


def proved_ground(
    proof: GroundProof,
    kind: str,
    said: type[_Said],
    *,
    agreeing: Agreeing,
    trust: LogTrust,
) -> tuple[datetime, _Said]:
    """Return when the entry was made and what it says, if a slot holds it and it may say so.

    Raises:
        RecordsError: it proves nothing.
    """
    notes = agreeing.get(proof.slot, ())
    if not notes:
        raise RecordsError("not-included")
    checkpoint = notes[-1].checkpoint
    verify_inclusion(
        size=checkpoint.size,
        index=proof.index,
        leaf=leaf_hash(proof.entry),
        path=proof.path,
        expected_root=checkpoint.root,
    )
    public = parse_entry(proof.entry).public
    if (public.kind, public.organisation, public.slot) != (kind, trust.organisation, proof.slot):
        raise RecordsError("wrong-entry")
    try:
        private = msgspec.convert(open_private(proof.private, public.private), said)
        made_at = parse_instant(public.time)
    except (CodesError, msgspec.ValidationError):
        raise RecordsError("wrong-entry") from None
    if made_at.timestamp() > notes[-1].time + BACK_DATING_S:
        raise RecordsError("not-due")
    return made_at, private


def _member(name: str) -> str:
    return name.removesuffix(".json")


def _hashes(raw: bytes, name: str) -> tuple[bytes, ...]:
    if len(raw) % HASH_BYTES:
        raise RecordsError("bad-bundle", name)
    return tuple(raw[start : start + HASH_BYTES] for start in range(0, len(raw), HASH_BYTES))
