"""Make the golden vectors of the record log: `PYTHONPATH=. python tests/vectors/records/make.py`.

Everything is deterministic but the ML-DSA signature, which draws its own randomness: a new run
makes another note over the same tree. Entries, leaf hashes and roots must never change.
"""

import json
from pathlib import Path

from gateway.records.note import cosigned_message, key_id, parse_note, witness_name
from gateway.records.proof_files import write_policy, write_proof
from gateway.records.tiles import RightEdge
from gateway.records.tree import audit_path, consistency_proof, multiproof
from tests.unit.records import made

HERE = Path(__file__).parent
SIZE = 21


def main() -> None:
    kinds = {kind: made.an_entry(kind, private={"staff": "職員"}) for kind in sorted(made.MEMBERS)}
    kinds["staff-added"] = made.an_entry("staff-added", private={"staff": "職員"})
    kinds["correction-of-mark"] = made.an_entry(
        "correction", members=made.MARKED, private={"staff": "職員"}
    )
    log = made.MadeLog(slot=3)
    log.grow(SIZE)
    node = log.state.node
    note = log.note(cosigners=[(witness_name(made.NETWORK, "core"), made.a_witness())])
    parsed = parse_note(note)
    signed_at = int(log.time_of(SIZE - 1).timestamp())
    witness = (witness_name(made.NETWORK, "core"), made.a_witness().public)
    edges = {
        size: RightEdge().extend([entry.leaf_hash for entry in log.entries[:size]]).root.hex()
        for size in range(SIZE + 1)
    }
    vector = {
        "entries": {
            kind: {
                "raw": entry.raw.decode(),
                "leaf_hash": entry.leaf_hash.hex(),
                "private": entry.private_plaintext.decode(),
            }
            for kind, entry in kinds.items()
        },
        "roots": edges,
        "leaves": [entry.leaf_hash.hex() for entry in log.entries],
        "multiproof": {
            "size": SIZE,
            "indexes": [2, 5, 6, 20],
            "hashes": [digest.hex() for digest in multiproof(SIZE, [2, 5, 6, 20], node)],
        },
        "consistency": [digest.hex() for digest in consistency_proof(7, SIZE, node)],
        "origin": log.origin,
        "ed25519": log.signer.public.ed25519.hex(),
        "mldsa44": log.signer.public.mldsa44.hex(),
        "key_ids": [
            key_id(log.origin, 1, log.signer.public.ed25519).hex(),
            key_id(log.origin, 6, log.signer.public.mldsa44).hex(),
        ],
        "cosigned_message": cosigned_message(
            parsed.checkpoint, name=log.origin, time=signed_at
        ).hex(),
        "time": signed_at,
        "note": note,
        "proof": write_proof(index=13, path=audit_path(SIZE, 13, node), note=note),
        "policy": write_policy(
            origin=log.origin,
            keys=[log.signer.public],
            witnesses=[(witness[0], [witness[1]])],
            required=1,
        ),
    }
    (HERE / "records.json").write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
