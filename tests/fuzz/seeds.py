"""Inputs that the parsers take, and what is known to be true of them.

Most stand in `corpus/`, a few kilobytes a parser; those that keys sign which nobody keeps are made
anew each time. `python -m tests.fuzz.seeds` writes the corpus again.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from certs.directory import Directory
from certs.keysets import KeySet
from certs.keystore import KeyStore, MasterKey
from certs.permits import PermitToken
from certs.roots import Root
from codes.canonical import b64, unb64
from gateway.flows.replica_rows import RowMaker, RowRules
from gateway.flows.vault import Vault
from gateway.http.paging import cursor_of
from gateway.records.erased import ERASURES
from gateway.records.grounds import GroundProof, write_grounds
from gateway.records.note import Checkpoint, Note, parse_note
from gateway.records.operations import operation_row, write_csv
from gateway.records.proof_files import write_proof, write_witness_request
from gateway.records.statements import StatementGroup
from gateway.records.tree import Frontier, audit_path, consistency_proof, leaf_hash, multiproof
from tests.damage import good as goods
from tests.unit.certs import networks, permit_tokens
from tests.unit.records import made

__all__ = ["unb64"]

CORPUS: Final = Path(__file__).parent / "corpus"
NETWORK, ORGANISATION = made.NETWORK, made.ORGANISATION
LOG, WITNESS = made.a_signer().public, made.a_witness().public
WITNESS_NAME: Final = f"{NETWORK}/core/witness"
SIZE: Final = 21
SIZES: Final = (4, SIZE)
DOCUMENTS: Final = ("directory-key", "directory", "key-set", "allow-list", "root")
PERMIT_TIME: Final = permit_tokens.NOW
_FRESH: Final = frozenset({"directory", "key-set", "root", "document", "permit", "certificate"})
"""Signed by keys that are new each time, so they cannot stand in the corpus."""


def of(name: str) -> Mapping[str, bytes]:
    """Return the inputs that a parser begins with."""
    if name in _FRESH:
        return _MAKERS[name]()
    return {path.name: path.read_bytes() for path in sorted((CORPUS / name).iterdir())}


@cache
def log() -> made.MadeLog:
    """Return a small log; the same each time but for its signatures."""
    whole = made.MadeLog()
    whole.grow(SIZE)
    return whole


@cache
def entries() -> Mapping[int, bytes]:
    return {index: entry.raw for index, entry in enumerate(log().entries)}


def leaf_of(index: int) -> bytes:
    return leaf_hash(entries().get(index, b""))


@cache
def root(size: int = SIZE) -> bytes:
    leaves = [leaf_of(index) for index in range(min(size, SIZE))]
    return Frontier().extend(leaves).root()


@cache
def checkpoints() -> frozenset[tuple[Checkpoint, int]]:
    return frozenset(
        (Checkpoint(log().origin, size, root(size)), int(log().time_of(size - 1).timestamp()))
        for size in SIZES
    )


def multiproof_of(indexes: list[int]) -> list[bytes]:
    return multiproof(SIZE, indexes, log().state.node)


def consistency_of(old: int) -> list[bytes]:
    return consistency_proof(old, SIZE, log().state.node)


def permit_keys() -> Mapping[str, EllipticCurvePublicKey]:
    return permit_tokens.KEYS


@cache
def _tokens() -> tuple[tuple[str, PermitToken], ...]:
    claims = (
        permit_tokens.a_token(),
        permit_tokens.a_token(permit_tokens.a_permit(1), permit_tokens.a_permit(2)),
    )
    return tuple((permit_tokens.SIGNER.issue(one), one) for one in claims)


def permit_claims() -> tuple[PermitToken, ...]:
    return tuple(claims for _, claims in _tokens())


@cache
def directory() -> Directory:
    return networks.a_network().directory


def read_directory(raw: bytes) -> Directory:
    return Directory.parse_archived(raw, root=directory().root)


def read_key_set(raw: bytes) -> KeySet:
    return KeySet.parse(raw, previous_key=None)


def read_root(raw: bytes) -> Root:
    return Root.parse(raw)


@cache
def key_set_digests() -> frozenset[str]:
    return frozenset(directory().known_key_sets())


@cache
def certificates() -> Mapping[str, bytes]:
    """Return nagaoka's pinned certificates by their SHA-256."""
    return {one.sha256: one.der for one in directory().certificates("nagaoka")}


@cache
def _vault() -> Vault:
    folder = Path(mkdtemp(prefix="sekisho-fuzz-")) / "store"
    store = KeyStore.create(folder, MasterKey.generate(), network=NETWORK, organisation="x")
    return Vault(store)


def replica_rows() -> RowMaker:
    rules = RowRules(
        term="TM00000000000002",
        items=frozenset({"XTK0000010000003", "XTK0000010000004"}),
        generation=7,
        key_year=2026,
        today=made.NOON.date(),
        may_put=True,
        may_delete=True,
    )
    return RowMaker(_vault(), rules)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return files as one: a line with names and lengths, and their bytes one after another."""
    head = json.dumps({name: len(content) for name, content in files.items()})
    return head.encode() + b"\n" + b"".join(files.values())


def unpack(raw: bytes) -> dict[str, bytes]:
    """Return what `pack` wrote, whatever was done to it since; nothing of it is under test."""
    head, _, rest = raw.partition(b"\n")
    try:
        lengths = json.loads(head)
        names = {str(name): int(length) for name, length in lengths.items()}
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        names = {}
    files, at = {}, 0
    for name, length in names.items():
        files[name] = rest[at : at + max(0, length)]
        at += max(0, length)
    return files


def cosigned_note() -> Note:
    """Return the newest note of the log, cosigned."""
    return parse_note(_notes()[f"size-{SIZE}"].decode())


def _notes() -> dict[str, bytes]:
    made_notes = {}
    for size in SIZES:
        small = made.MadeLog(entries=log().entries[:size])
        small.grow(0)
        note = small.note(cosigners=[(WITNESS_NAME, made.a_witness())])
        made_notes[f"size-{size}"] = note.encode()
    return made_notes


def _groups() -> dict[str, bytes]:
    def group(*indexes: int) -> bytes:
        built = StatementGroup.build(
            checkpoint=log().note(),
            size=SIZE,
            entries={index: entries()[index] for index in indexes},
            node=log().state.node,
        )
        wire = {
            "checkpoint": built.checkpoint,
            "indexes": list(built.indexes),
            "entries": [b64(raw) for raw in built.entries],
            "hashes": [b64(digest) for digest in built.hashes],
        }
        return msgspec.json.encode(wire, order="sorted")

    return {"one": group(7), "three": group(2, 3, 20)}


def _proof() -> dict[str, bytes]:
    path = audit_path(SIZE, 5, log().state.node)
    return {"leaf-5": write_proof(index=5, path=path, note=log().note()).encode()}


def _witness_request() -> dict[str, bytes]:
    text = write_witness_request(old_size=4, proof=consistency_of(4), note=log().note())
    first = write_witness_request(old_size=0, proof=(), note=log().note())
    return {"from-4": text.encode(), "first": first.encode()}


def _multiproofs() -> dict[str, bytes]:
    found = {}
    for indexes in ([0], [2, 3, 20], list(range(SIZE))):
        places = b"".join(index.to_bytes(2, "big") for index in indexes)
        body = bytes([len(indexes)]) + places + b"".join(multiproof_of(indexes))
        found["-".join(map(str, indexes[:3]))] = body
    return found


def _consistencies() -> dict[str, bytes]:
    return {
        f"from-{old}": old.to_bytes(2, "big") + b"".join(consistency_of(old))
        for old in (0, 1, 4, 13, SIZE)
    }


def _bundle() -> dict[str, bytes]:
    export = goods.make().logs[1].export(first=18, end=SIZE)
    files = {"bundle.json": b"", "peer-notes.json": b""}
    whole = goods.make().files(export)
    names = ("bundle.json", "peer-notes.json", "slots/1.json", "slots/1.leaves", "slots/1.entries")
    files = {name: whole[name] for name in names}
    files["bundle.json"] = files["bundle.json"].replace(b"[0,1,2,3,4,5,6,7]", b"[1]")
    files["slots/1.private"] = (18).to_bytes(8, "big") + (2).to_bytes(4, "big") + b"{}"
    return {"one-slot": pack(files)}


def _one_file() -> dict[str, bytes]:
    whole = goods.make().files(goods.make().logs[0].export(first=12, end=15))
    names = ("slots/0.json", "slots/0.leaves", "slots/0.entries", "slots/0.private")
    return {"slot": pack({name: whole[name] for name in names})}


def _erasures() -> dict[str, bytes]:
    proof = GroundProof(
        slot=0,
        index=5,
        entry=entries()[5],
        private=log().entries[5].private_plaintext,
        path=tuple(audit_path(SIZE, 5, log().state.node)),
    )
    return {"one": write_grounds(ERASURES, [proof]), "none": write_grounds(ERASURES, [])}


def _operations() -> dict[str, bytes]:
    rows = [
        operation_row(
            made.an_entry("staff-session", members={}, number=index).public,
            {"staff": "a" * 32, "what": "begun", "count": index},
            index=index,
            leaf_hash=leaf_of(index),
        )
        for index in range(2)
    ]
    return {"two": write_csv(rows), "none": write_csv([])}


def _documents() -> dict[str, bytes]:
    signed = json.loads(directory().raw)["signed"]
    parts = {
        "root": signed["roots"][0],
        "directory-key": signed["directory_key"],
        "key-set": signed["organisations"][1]["key_sets"][0],
    }
    return {
        name: msgspec.json.encode(part, order="sorted").decode().encode()
        for name, part in parts.items()
    }


def _settings() -> dict[str, bytes]:
    example = Path(__file__).parents[2] / "config" / "gateway.example.toml"
    lines = [line for line in example.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {"example": "\n".join(lines).encode() + b"\n"}


def _assertion() -> dict[str, bytes]:
    header = b64(b'{"alg":"ES256","typ":"JWT"}')
    claims = {
        "iss": "c",
        "sub": "c",
        "aud": "https://x/oauth2/token",
        "jti": "a" * 16,
        "iat": 1,
        "exp": 2,
    }
    return {"es256": f"{header}.{b64(json.dumps(claims).encode())}.{b64(bytes(64))}".encode()}


def _replica_line() -> dict[str, bytes]:
    row = {
        "unified_number": "123456789012345",
        "record_key": "2026",
        "items": {"XTK0000010000003": "120000"},
        "published_from": "2026-07-01",
        "from": "2026-04-01",
        "to": "2027-03-31",
    }
    return {"put": json.dumps(row).encode()}


_MAKERS: Final[dict[str, Callable[[], dict[str, bytes]]]] = {
    "entry": lambda: {
        kind: made.an_entry(kind).raw for kind in ("opened", "inquiry", "permit", "provision")
    },
    "canonical": lambda: {
        "nested": b'{"a":[{"b":0},"\\u0001","\xe9\x95\xb7"],"c":9007199254740991}',
        "receipt": made.an_entry("receipt").private_plaintext,
    },
    "note": _notes,
    "signed-note": _notes,
    "proof": _proof,
    "witness-request": _witness_request,
    "group": _groups,
    "multiproof": _multiproofs,
    "consistency": _consistencies,
    "permit": lambda: {str(n): token.encode() for n, (token, _) in enumerate(_tokens())},
    "assertion": _assertion,
    "tile": lambda: {"three": b"".join(sha256(bytes([n])).digest() for n in range(3))},
    "tile-path": lambda: {
        str(n): path.encode()
        for n, path in enumerate(
            ("tile/0/000", "tile/7/x001/x234/067.p/1", "tile/entries/x001/234", "tile/1/002.p/255")
        )
    },
    "document": _documents,
    "directory": lambda: {"directory": directory().raw},
    "key-set": lambda: {"key-set": _documents()["key-set"]},
    "certificate": lambda: dict(certificates()),
    "root": lambda: {"root": _documents()["root"]},
    "bundle": _bundle,
    "one-file": _one_file,
    "erasures": _erasures,
    "operations": _operations,
    "settings": _settings,
    "cursor": lambda: {"one": cursor_of(made.NOON, "a" * 32).encode()},
    "residents": lambda: {
        "two": b"my_number,resident_code\r\n123456789018,12345678901\r\n",
    },
    "replica-line": _replica_line,
}


def write_corpus() -> None:
    """Write every input that can be kept."""
    for name, make in _MAKERS.items():
        if name not in _FRESH:
            (CORPUS / name).mkdir(parents=True, exist_ok=True)
            for seed, raw in make().items():
                (CORPUS / name / seed).write_bytes(raw)


if __name__ == "__main__":
    write_corpus()
