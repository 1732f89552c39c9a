"""The export bundle: what an auditor needs of one organisation's log for one period, as files.

A bundle is a mapping of names to bytes; whether it lies in a folder or an archive is the
caller's affair. The format is described in docs/reference/bundle.md. Nothing read here is
believed: `verify` does that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from certs.terms import Count, Instant, Organisation, Shape
from codes.canonical import b64, parse_instant, unb64
from codes.errors import CodesError
from gateway.records.entry import PRIVATE_BYTES_MAX
from gateway.records.errors import RecordsError
from gateway.records.kinds import SLOTS_MAX, Slot
from gateway.records.note import parse_note
from gateway.records.tree import (
    HASH_BYTES,
    Node,
    NodeSource,
    consistency_nodes,
    consistency_proof,
    range_nodes,
)

MANIFEST: Final = "bundle.json"
DIRECTORY: Final = "directory.json"
PEER_NOTES: Final = "peer-notes.json"
BUNDLE_TYPE: Final = "record-bundle"
BUNDLE_VERSION: Final = 1
JSON_BYTES_MAX: Final = 256 * 1024 * 1024
NOTES_MAX: Final = 1_000_000
PROOF_HASHES_MAX: Final = 64

_LENGTH_BYTES: Final = 2
_PRIVATE_LENGTH_BYTES: Final = 4
_INDEX_BYTES: Final = 8

Files: TypeAlias = Mapping[str, bytes]
_Read = TypeVar("_Read")
_Text = Annotated[str, msgspec.Meta(max_length=1024 * 1024)]
_Hashes = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=PROOF_HASHES_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedNote:
    """A checkpoint with its lines, and the proof that ties it to the exported range.

    The proof is empty for a size inside the range, runs from the note's size to `first` for a
    smaller one, and from the range's end to the note's size for a larger one.
    """

    note: str = field(repr=False)
    proof: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotExport:
    """The entries of one slot from index `first` on, with all that ties them to its tree."""

    slot: int
    first: int
    left: tuple[bytes, ...] = field(repr=False)
    """The complete subtrees left of `first`, largest first."""
    entries: tuple[bytes, ...] = field(repr=False)
    leaves: tuple[bytes, ...] = field(repr=False)
    """The leaf hashes as the log's tiles have them: they name a changed entry exactly."""
    notes: tuple[ProvedNote, ...] = field(repr=False)
    private: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Opened private parts by index, as far as they were opened."""

    @property
    def end(self) -> int:
        """The index after the last exported leaf."""
        return self.first + len(self.leaves)


class Manifest(Shape, frozen=True, kw_only=True):
    """What a bundle says it is: the log of an organisation in a period (end not included)."""

    type: str
    version: int
    network: Organisation
    organisation: Organisation
    begins: Instant
    ends: Instant
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(max_length=SLOTS_MAX)]


class _NoteFile(Shape, frozen=True, kw_only=True):
    note: _Text
    proof: _Hashes


class _SlotFile(Shape, frozen=True, kw_only=True):
    slot: Slot
    first: Count
    left: _Hashes
    notes: Annotated[tuple[_NoteFile, ...], msgspec.Meta(max_length=NOTES_MAX)]


class _PeerNotes(Shape, frozen=True, kw_only=True):
    notes: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=NOTES_MAX)]


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_MANIFEST: Final = msgspec.json.Decoder(Manifest)
_SLOT: Final = msgspec.json.Decoder(_SlotFile)
_PEERS: Final = msgspec.json.Decoder(_PeerNotes)


def export_slot(
    *,
    slot: int,
    first: int,
    entries: Sequence[bytes],
    leaves: Sequence[bytes],
    notes: Sequence[str],
    node: NodeSource,
    private: Mapping[int, bytes] | None = None,
) -> SlotExport:
    """Return a slot's export with the proofs that its notes need, out of the log's tiles.

    The range should begin with the last entry before the period (or leaf 0) and end with the
    first entry after it (or the last there is), so that nothing can be missing at its edges.

    Raises:
        RecordsError: as `parse_note`, or what `node` raises.
    """
    return SlotExport(
        slot=slot,
        first=first,
        left=tuple(node(level, index) for level, index in range_nodes(0, first)),
        entries=tuple(entries),
        leaves=tuple(leaves),
        notes=tuple(_prove(note, first, first + len(leaves), node) for note in notes),
        private=dict(private or {}),
    )


def export_nodes(*, first: int, end: int, size: int) -> list[Node]:
    """Return the nodes that the description of a range needs: its left side, one note's proof."""
    low, high = _proof_sizes(size, first, end)
    return [*range_nodes(0, first), *consistency_nodes(low, high)]


def slot_name(slot: int) -> str:
    """Return how the files of a slot are called, but for their endings."""
    return f"slots/{slot}"


def slot_description(
    *, slot: int, first: int, end: int, notes: Sequence[str], node: NodeSource
) -> bytes:
    """Return `slots/<n>.json` of a range whose entries are written elsewhere, piece by piece.

    Raises:
        RecordsError: as `parse_note`, or what `node` raises.
    """
    return _describe(
        slot,
        first,
        [node(level, index) for level, index in range_nodes(0, first)],
        [_prove(note, first, end, node) for note in notes],
    )


def frame_entries(entries: Iterable[bytes]) -> bytes:
    """Return a piece of `slots/<n>.entries`."""
    return b"".join(
        part for entry in entries for part in (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    )


def write_bundle(
    *,
    network: str,
    organisation: str,
    begins: str,
    ends: str,
    directory: bytes,
    slots: Sequence[SlotExport],
    peer_notes: Sequence[str] = (),
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a bundle, name and bytes.

    `directory` is the newest directory document; `peer_notes` are the checkpoints of others
    that this organisation holds with its receipts.
    """
    yield from write_head(
        network=network,
        organisation=organisation,
        begins=begins,
        ends=ends,
        directory=directory,
        slots=[export.slot for export in slots],
        peer_notes=peer_notes,
    )
    for export in slots:
        yield from _write_slot(export)


def write_head(
    *,
    network: str,
    organisation: str,
    begins: str,
    ends: str,
    directory: bytes,
    slots: Sequence[int],
    peer_notes: Sequence[str] = (),
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a bundle that are not a slot's, the manifest first."""
    manifest = Manifest(
        type=BUNDLE_TYPE,
        version=BUNDLE_VERSION,
        network=network,
        organisation=organisation,
        begins=begins,
        ends=ends,
        slots=tuple(slots),
    )
    yield MANIFEST, _ENCODER.encode(manifest)
    yield DIRECTORY, directory
    yield PEER_NOTES, _ENCODER.encode(_PeerNotes(notes=tuple(peer_notes)))


def read_manifest(files: Files) -> Manifest:
    """Return what the bundle says it is, or raise bad-bundle."""
    manifest = decode_file(files, MANIFEST, _MANIFEST)
    try:
        begins, ends = parse_instant(manifest.begins), parse_instant(manifest.ends)
    except CodesError:
        raise RecordsError("bad-bundle", MANIFEST) from None
    if (manifest.type, manifest.version) != (BUNDLE_TYPE, BUNDLE_VERSION) or begins > ends:
        raise RecordsError("bad-bundle", MANIFEST)
    return manifest


def read_peer_notes(files: Files) -> tuple[str, ...]:
    """Return the checkpoints of others in the bundle, or raise bad-bundle."""
    return decode_file(files, PEER_NOTES, _PEERS).notes


def read_slot(files: Files, slot: int) -> SlotExport:
    """Return one slot's export as it lies in the bundle, or raise bad-bundle.

    A file of entries that was cut in the middle gives the whole entries before the cut. A slot
    of which all is erased or lost has none, and begins where it ends.
    """
    name = slot_name(slot)
    described = decode_file(files, f"{name}.json", _SLOT)
    leaves = _file(files, f"{name}.leaves")
    entries = tuple(_read_entries(_file(files, f"{name}.entries")))
    if described.slot != slot or len(leaves) % HASH_BYTES or (entries and not leaves):
        raise RecordsError("bad-bundle", name)
    starts = range(0, len(leaves), HASH_BYTES)
    return SlotExport(
        slot=slot,
        first=described.first,
        left=_hashes(described.left),
        entries=entries,
        leaves=tuple(leaves[start : start + HASH_BYTES] for start in starts),
        notes=tuple(
            ProvedNote(note=each.note, proof=_hashes(each.proof)) for each in described.notes
        ),
        private=dict(_read_private(files.get(f"{name}.private", b""))),
    )


def _prove(note: str, first: int, end: int, node: NodeSource) -> ProvedNote:
    low, high = _proof_sizes(parse_note(note).checkpoint.size, first, end)
    return ProvedNote(note=note, proof=tuple(consistency_proof(low, high, node)))


def _proof_sizes(size: int, first: int, end: int) -> tuple[int, int]:
    """Return between which sizes a note of this size is proved; equal ones need no proof."""
    return (size, first) if size < first else (end, max(size, end))


def _describe(slot: int, first: int, left: Iterable[bytes], notes: Iterable[ProvedNote]) -> bytes:
    described = _SlotFile(
        slot=slot,
        first=first,
        left=tuple(b64(digest) for digest in left),
        notes=tuple(
            _NoteFile(note=each.note, proof=tuple(b64(digest) for digest in each.proof))
            for each in notes
        ),
    )
    return _ENCODER.encode(described)


def _write_slot(export: SlotExport) -> Iterator[tuple[str, bytes]]:
    name = slot_name(export.slot)
    yield f"{name}.json", _describe(export.slot, export.first, export.left, export.notes)
    yield f"{name}.leaves", b"".join(export.leaves)
    yield f"{name}.entries", frame_entries(export.entries)
    if export.private:
        yield f"{name}.private", b"".join(_write_private(export.private))


def _write_private(private: Mapping[int, bytes]) -> Iterator[bytes]:
    for index in sorted(private):
        plaintext = private[index]
        yield index.to_bytes(_INDEX_BYTES, "big")
        yield len(plaintext).to_bytes(_PRIVATE_LENGTH_BYTES, "big")
        yield plaintext


def _read_private(raw: bytes) -> Iterator[tuple[int, bytes]]:
    position, head = 0, _INDEX_BYTES + _PRIVATE_LENGTH_BYTES
    while position < len(raw):
        index = int.from_bytes(raw[position : position + _INDEX_BYTES], "big")
        length = int.from_bytes(raw[position + _INDEX_BYTES : position + head], "big")
        plaintext = raw[position + head : position + head + length]
        is_whole = position + head <= len(raw) and len(plaintext) == length
        if length > PRIVATE_BYTES_MAX or not is_whole:
            raise RecordsError("bad-bundle", "private parts")
        yield index, plaintext
        position += head + length


def _read_entries(raw: bytes) -> Iterator[bytes]:
    position = 0
    while position + _LENGTH_BYTES <= len(raw):
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(raw[position:start], "big")
        if position > len(raw):
            return
        yield raw[start:position]


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    try:
        hashes = tuple(unb64(text) for text in texts)
    except CodesError:
        raise RecordsError("bad-bundle", "hashes") from None
    if any(len(digest) != HASH_BYTES for digest in hashes):
        raise RecordsError("bad-bundle", "hashes")
    return hashes


def _file(files: Files, name: str) -> bytes:
    raw = files.get(name)
    if raw is None:
        raise RecordsError("bad-bundle", f"no {name}")
    return raw


def decode_file(files: Files, name: str, decoder: msgspec.json.Decoder[_Read]) -> _Read:
    """Return what a JSON file of a bundle says, or raise bad-bundle."""
    raw = _file(files, name)
    if len(raw) > JSON_BYTES_MAX:
        raise RecordsError("bad-bundle", name)
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise RecordsError("bad-bundle", name) from None
