"""What is fuzzed: every parser that meets bytes from outside, with what it may say to them.

A parser may refuse with its own typed error, or take the input. Taking is wrong where there is
one way to write a thing and the input is written in another, and where something signed is taken
that nobody signed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Final

from certs.certificates import read_network_certificate
from certs.documents import read_document
from certs.errors import CertsError
from certs.permits import verify_permit_token
from certs.tokens import claimed_client_id
from codes.canonical import canonical_json, parse_canonical
from codes.errors import CodesError
from gateway.core.resident_file import read_chunks
from gateway.core.resident_network import read_people
from gateway.errors import SekishoError
from gateway.http.paging import cursor_of, read_place
from gateway.records import standalone_verifier
from gateway.records.bundle import read_manifest, read_peer_notes, read_slot
from gateway.records.entry import parse_entry
from gateway.records.erased import ERASURES
from gateway.records.errors import RecordsError
from gateway.records.grounds import read_grounds
from gateway.records.note import parse_note, verify_checkpoint, verify_cosignature
from gateway.records.operations import read_csv, write_csv
from gateway.records.proof_files import (
    read_proof,
    read_witness_request,
    write_proof,
    write_witness_request,
)
from gateway.records.statements import StatementGroup, verify_group
from gateway.records.tiles import Tile, parse_tile_path, tile_path
from gateway.records.tree import audit_paths, root_from_multiproof, verify_consistency
from gateway.settings import parse_settings
from gateway.wire.codec import decode_json
from gateway.wire.network import Group
from policies.facts import FactsError
from policies.release import RulesError
from tests.fuzz import file_targets, seeds
from tests.fuzz.accepted import AcceptedError, same, text_of

REFUSALS: Final = (RecordsError, CertsError, CodesError, SekishoError, FactsError, RulesError)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One parser: what it reads, and inputs that it takes."""

    name: str
    read: Callable[[bytes], object] = field(repr=False)
    seeds: Callable[[], Mapping[str, bytes]] = field(repr=False)

    def try_one(self, raw: bytes) -> bool:
        """Tell whether an input was taken; anything but a typed refusal is raised.

        Raises:
            AcceptedError: it should not have been.
        """
        try:
            self.read(raw)
        except REFUSALS:
            return False
        return True


def _entry(raw: bytes) -> None:
    parse_entry(raw)
    same(canonical_json(parse_canonical(raw)), raw)


def _canonical(raw: bytes) -> None:
    same(canonical_json(parse_canonical(raw)), raw)


def _note(raw: bytes) -> None:
    same(parse_note(text_of(raw)).text(), raw)


def _signed_note(raw: bytes) -> None:
    note = parse_note(text_of(raw))
    verified = verify_checkpoint(note, origin=note.checkpoint.origin, keys=seeds.LOG)
    if (verified.checkpoint, verified.time) not in seeds.checkpoints():
        raise AcceptedError("a checkpoint that the log never signed")
    time = verify_cosignature(note, name=seeds.WITNESS_NAME, key=seeds.WITNESS)
    if time != verified.time + 1:
        raise AcceptedError("a time at which the witness never signed")


def _proof(raw: bytes) -> None:
    proof = read_proof(text_of(raw))
    same(write_proof(index=proof.index, path=proof.path, note=proof.note.text()), raw)


def _witness_request(raw: bytes) -> None:
    asked = read_witness_request(text_of(raw))
    again = write_witness_request(
        old_size=asked.old_size, proof=asked.proof, note=asked.note.text()
    )
    same(again, raw)


def _group(raw: bytes) -> None:
    wire = decode_json(raw, Group)
    group = StatementGroup(
        checkpoint=wire.checkpoint,
        indexes=tuple(wire.indexes),
        entries=tuple(map(seeds.unb64, wire.entries)),
        hashes=tuple(map(seeds.unb64, wire.hashes)),
    )
    statements = verify_group(
        group,
        organisation=seeds.ORGANISATION,
        network=seeds.NETWORK,
        log_keys=lambda _moment: seeds.LOG,
    )
    for statement in statements:
        statement.audit_path()
        if seeds.entries().get(statement.index) != statement.entry.raw:
            raise AcceptedError("an entry that the log never held at this index")


def _hashes(raw: bytes) -> list[bytes]:
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def _multiproof(raw: bytes) -> None:
    """Read one byte: how many indexes; two bytes each; then hashes. The leaves are the log's."""
    count = raw[0] if raw else 0
    places = raw[1 : 1 + 2 * count]
    indexes = [int.from_bytes(places[at : at + 2], "big") for at in range(0, len(places), 2)]
    leaves = [seeds.leaf_of(index) for index in indexes]
    hashes = _hashes(raw[1 + 2 * count :])
    root = root_from_multiproof(seeds.SIZE, indexes, leaves, hashes)
    audit_paths(seeds.SIZE, indexes, leaves, hashes)
    if root == seeds.root() and not all(a < b < seeds.SIZE for a, b in pairwise((-1, *indexes))):
        raise AcceptedError("a proof of leaves that are not there")
    if root == seeds.root() and hashes != seeds.multiproof_of(indexes):
        raise AcceptedError("a second proof of the same leaves")


def _consistency(raw: bytes) -> None:
    """Read the old size (two bytes) and hashes, between two trees of the log."""
    old = int.from_bytes(raw[:2], "big")
    proof = _hashes(raw[2:])
    verify_consistency(
        old_size=old,
        new_size=seeds.SIZE,
        old_root=seeds.root(old),
        new_root=seeds.root(),
        proof=proof,
    )
    if proof != seeds.consistency_of(old):
        raise AcceptedError("a second proof of the same growth")


def _permit(raw: bytes) -> None:
    text = text_of(raw)
    claims = verify_permit_token(
        text,
        keys=seeds.permit_keys(),
        issuer="core",
        audience="gunma-union",
        now=seeds.PERMIT_TIME,
    )
    # ECDSA lets the signature be written in a second way; nothing rests on a token's bytes.
    if claims not in seeds.permit_claims():
        raise AcceptedError("claims that the core never signed")


def _assertion(raw: bytes) -> None:
    claimed_client_id(text_of(raw))


def _tile(raw: bytes) -> None:
    same(Tile.parse(raw).hashes, raw)


def _tile_path(raw: bytes) -> None:
    tile, entries = parse_tile_path(text_of(raw))
    same(tile_path(tile, entries=entries), raw)


def _document(raw: bytes) -> None:
    type_ = next((one for one in seeds.DOCUMENTS if f'"type":"{one}"'.encode() in raw), "root")
    if read_document(raw, type_=type_).signed:
        same(canonical_json(parse_canonical(raw, bytes_max=8 << 20), bytes_max=8 << 20), raw)


def _directory(raw: bytes) -> None:
    directory = seeds.read_directory(raw)
    if directory.digest != seeds.directory().digest:
        raise AcceptedError("a directory that nobody signed")


def _key_set(raw: bytes) -> None:
    if seeds.read_key_set(raw).digest not in seeds.key_set_digests():
        raise AcceptedError("a key set that nobody signed")


def _certificate(raw: bytes) -> None:
    certificate = read_network_certificate(
        raw, network="testnet", organisation="nagaoka", role="gateway"
    )
    if certificate.sha256 not in seeds.certificates():
        raise AcceptedError("a certificate that its holder never signed")


def _root(raw: bytes) -> None:
    if seeds.read_root(raw).digest != seeds.directory().root.digest:
        raise AcceptedError("a root that nobody signed")


def _bundle(raw: bytes) -> None:
    files = seeds.unpack(raw)
    manifest = read_manifest(files)
    read_peer_notes(files)
    for slot in manifest.slots[:4]:
        read_slot(files, slot)


def _one_file(raw: bytes) -> None:
    try:
        standalone_verifier.Slot(0, seeds.unpack(raw), set)
    except standalone_verifier.WRONG:
        raise RecordsError("bad-bundle") from None


def _erasures(raw: bytes) -> None:
    read_grounds({ERASURES: raw}, ERASURES)


def _operations(raw: bytes) -> None:
    same(write_csv(read_csv(raw)), raw)


def _settings(raw: bytes) -> None:
    parse_settings(raw, base=Path("/"))


def _cursor(raw: bytes) -> None:
    read = read_place(text_of(raw))
    if read is not None:
        read_place(cursor_of(*read))


def _residents(raw: bytes) -> None:
    for lines in read_chunks(StringIO(text_of(raw), newline="")):
        read_people(lines)


def _replica_line(raw: bytes) -> None:
    maker = seeds.replica_rows()
    if len(maker.make([raw])) + len(maker.tally.findings) != 1:
        raise AcceptedError("a line that is neither taken nor refused")
    if maker.tally.findings:
        raise RecordsError(maker.tally.findings[0].reason)


def _target(name: str, read: Callable[[bytes], object]) -> Target:
    made = file_targets.SEEDS.get(name)
    return Target(name=name, read=read, seeds=made or (lambda: seeds.of(name)))


TARGETS: Final = {
    name: _target(name, read)
    for name, read in {
        "entry": _entry,
        "canonical": _canonical,
        "note": _note,
        "signed-note": _signed_note,
        "proof": _proof,
        "witness-request": _witness_request,
        "group": _group,
        "multiproof": _multiproof,
        "consistency": _consistency,
        "permit": _permit,
        "assertion": _assertion,
        "tile": _tile,
        "tile-path": _tile_path,
        "document": _document,
        "directory": _directory,
        "key-set": _key_set,
        "certificate": _certificate,
        "root": _root,
        "bundle": _bundle,
        "one-file": _one_file,
        "erasures": _erasures,
        "operations": _operations,
        "settings": _settings,
        "cursor": _cursor,
        "residents": _residents,
        "replica-line": _replica_line,
        **file_targets.READERS,
    }.items()
}
