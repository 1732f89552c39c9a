"""Readers that nobody here wrote accept our checkpoints, proofs, tiles and signatures.

`tlog-scales` reads C2SP tlog-tiles, notes and cosignatures; `scitt-cose` proves by RFC 9162;
`dilithium-py` is ML-DSA in pure Python. Each also refuses what was changed.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from dilithium_py.ml_dsa import ML_DSA_44
from scitt_cose import merkle as rfc9162
from tlog_scales import signing
from tlog_scales import tiles as their_tiles
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader

from gateway.cli.main import call
from gateway.cli.output import ExitCode
from gateway.cli.records import app
from gateway.records.bundle import ProvedNote, SlotExport, export_slot
from gateway.records.errors import RecordsError
from gateway.records.note import (
    MLDSA44_TYPE,
    Checkpoint,
    cosigned_message,
    parse_note,
    sign_checkpoint,
)
from gateway.records.proof_files import log_vkeys, read_proof, witness_vkey, write_proof
from gateway.records.tile_files import tile_files
from gateway.records.tiles import RightEdge
from gateway.records.tree import audit_path, consistency_proof
from tests.damage import good as goods
from tests.unit.records import made

WITNESS = "testnet/core/witness"
SIZES = (1, 255, 256, 300, 600)
SIZE = SIZES[-1]


@cache
def the_log() -> made.MadeLog:
    log = made.MadeLog()
    log.grow(SIZE)
    return log


@cache
def note_of(size: int) -> str:
    small = made.MadeLog(entries=the_log().entries[:size])
    small.grow(0)
    return small.note(cosigners=[(WITNESS, made.a_witness())])


@cache
def the_export() -> SlotExport:
    log = the_log()
    return export_slot(
        slot=0,
        first=0,
        entries=[entry.raw for entry in log.entries],
        leaves=[entry.leaf_hash for entry in log.entries],
        notes=[note_of(size) for size in SIZES],
        node=log.state.node,
    )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TilesReader:
    folder = tmp_path_factory.mktemp("tiles")
    for name, content in tile_files(the_export()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    reader = TilesReader(LocalBackend(folder))
    reader.get_checkpoint()
    return reader


def their_keys() -> signing.VkeySet:
    ours = (*log_vkeys(the_log().origin, made.a_signer().public),)
    witness = witness_vkey(WITNESS, made.a_witness().public)
    return signing.VkeySet(*map(signing.Vkey.from_string, (*ours, witness)))


def test_the_tiles_reader_finds_checkpoint_tree_and_entries(reader: TilesReader) -> None:
    checkpoint = reader.get_checkpoint()

    assert (checkpoint.origin, checkpoint.size) == (the_log().origin, SIZE)
    assert len(their_keys().verify(checkpoint.signatures, checkpoint)) == 3
    assert reader.calculate_root_hash() == checkpoint.root_hash == the_log().state.root
    for index in (0, 255, 256, 511, 512, SIZE - 1):
        assert reader.get_entry(index) == the_log().entries[index].raw


def test_the_tiles_reader_proves_what_we_prove(reader: TilesReader) -> None:
    node = the_log().state.node
    for index in (0, 3, 255, 256, 599):
        proof = reader.get_inclusion_proof(index, SIZE)
        assert proof.node_hashes == audit_path(SIZE, index, node)
        proof.check(their_tiles.leaf_hash(the_log().entries[index].raw), the_log().state.root)
    for old in SIZES[:-1]:
        grown = reader.get_consistency_proof(old, SIZE)
        assert grown.node_hashes == consistency_proof(old, SIZE, node)
        grown.check(parse_note(note_of(old)).checkpoint.root, the_log().state.root)


def test_the_tiles_reader_reads_a_tree_of_three_levels() -> None:
    leaves = [their_tiles.leaf_hash(b"%d" % number) for number in range(66_000)]
    extension = RightEdge().extend(leaves)
    export = SlotExport(
        slot=0,
        first=0,
        left=(),
        entries=(b"",) * len(leaves),
        leaves=tuple(leaves),
        notes=(ProvedNote(note=_signed(len(leaves), extension.root)),),
    )
    files = dict(tile_files(export))

    class Memory:
        def get(self, *path: str) -> bytes | None:
            return files.get("/".join(path))

    reader = TilesReader(Memory())
    assert reader.get_checkpoint().size == 66_000
    assert reader.calculate_root_hash() == extension.root
    assert {"tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"} <= files.keys()


def test_an_rfc_6962_library_accepts_our_proofs() -> None:
    raws = [entry.raw.hex() for entry in the_log().entries[:300]]
    node, root = the_log().state.node, parse_note(note_of(300)).checkpoint.root.hex()

    assert rfc9162.merkle_root(raws) == root
    for index in (0, 1, 255, 256, 299):
        path = [digest.hex() for digest in audit_path(300, index, node)]
        assert rfc9162.verify_inclusion(raws[index], index, 300, path, root)
        assert not rfc9162.verify_inclusion(raws[index], index, 300, path[::-1][1:], root)
    for old in (1, 255, 256):
        before = parse_note(note_of(old)).checkpoint.root.hex()
        proof = [digest.hex() for digest in consistency_proof(old, 300, node)]
        assert rfc9162.verify_consistency(before, root, old, 300, proof)
        assert not rfc9162.verify_consistency(root, before, old, 300, proof)


def test_both_accept_the_proof_file_of_an_entry() -> None:
    path = audit_path(SIZE, 41, the_log().state.node)
    proof = read_proof(write_proof(index=41, path=path, note=note_of(SIZE)))

    checkpoint = proof.note.checkpoint
    raw, hashes = the_log().entries[41].raw.hex(), [digest.hex() for digest in proof.path]
    assert rfc9162.verify_inclusion(raw, 41, checkpoint.size, hashes, checkpoint.root.hex())


def test_a_second_implementation_of_ml_dsa_accepts_both_timed_lines() -> None:
    note = parse_note(note_of(300))
    keys = {
        the_log().origin: made.a_signer().public.mldsa44,
        WITNESS: made.a_witness().public.mldsa44,
    }
    seen = 0
    for line in note.lines:
        if len(line.signature) < 2428:
            continue
        time = int.from_bytes(line.signature[:8], "big")
        message = cosigned_message(note.checkpoint, name=line.name, time=time)
        key, signature = keys[line.name], line.signature[8:]
        assert ML_DSA_44.verify(key, message, signature)
        assert not ML_DSA_44.verify(key, message + b"\x00", signature)
        seen += 1
    assert seen == 2


def test_the_reader_refuses_a_checkpoint_that_was_changed(reader: TilesReader) -> None:
    checkpoint = reader.get_checkpoint()
    other = type(checkpoint)(
        checkpoint.origin, checkpoint.size - 1, checkpoint.root_hash, checkpoint.signatures
    )
    vkey = signing.Vkey.from_string(witness_vkey(WITNESS, made.a_witness().public))
    assert vkey.sig_type == MLDSA44_TYPE

    with pytest.raises(InvalidSignature):
        other.verify(vkey)


def test_the_command_writes_the_tiles_of_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = goods.make()
    for number, export in enumerate((good.logs[0].export(first=0, end=30), good.exports[0])):
        bundle = tmp_path / str(number)
        for name, content in good.files(export).items():
            (bundle / name).parent.mkdir(parents=True, exist_ok=True)
            (bundle / name).write_bytes(content)

    assert call(app, ["tiles", str(tmp_path / "0"), str(tmp_path / "out"), "--json"]) == 0
    assert '"files":3' in capsys.readouterr().out
    reader = TilesReader(LocalBackend(tmp_path / "out"))
    assert reader.get_checkpoint().root_hash == reader.calculate_root_hash()
    # The hashes left of a range are not in its bundle.
    arguments = ["tiles", str(tmp_path / "1"), str(tmp_path / "other")]
    assert call(app, arguments) == ExitCode.FAILED
    assert "not-from-the-beginning" in capsys.readouterr().err


def test_a_tree_that_ends_with_a_tile_has_no_partial_one() -> None:
    files = dict(tile_files(replace(the_export(), notes=the_export().notes[:3])))

    assert sorted(files) == ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]


def test_without_a_checkpoint_inside_there_are_no_tiles() -> None:
    bare = goods.make().logs[0].export(first=0, end=3)

    with pytest.raises(RecordsError) as refusal:
        list(tile_files(bare))
    assert refusal.value.reason == "no-checkpoint"


def _signed(size: int, root: bytes) -> str:
    return sign_checkpoint(Checkpoint(the_log().origin, size, root), made.a_signer(), time=1)
