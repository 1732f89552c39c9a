"""What a reader who knows nothing of ours needs to judge checkpoints (C2SP tlog-policy)."""

from base64 import b64encode
from typing import Final

from certs.directory import Directory
from gateway.records.note import ED25519_TYPE, MLDSA44_TYPE, key_id, log_origin, witness_name

QUORUM: Final = "witnesses/enough"
"""The group's name; a slash stands in no organisation's."""


def enough(witnesses: int) -> int:
    """Return how many of so many witnesses must have cosigned: more than half of them (ADR 14).

    With two it is both; whoever wants to bear the loss of one names three.
    """
    return witnesses // 2 + 1 if witnesses else 0


def policy_text(directory: Directory, organisation: str, slot: int) -> str:
    """Return the trust policy of one slot: every log key and witness key there ever was.

    A policy of that form knows no times: which key held when, the directory says. Its logs are
    alternatives, too, where our own verifiers require both lines.

    Raises `DirectoryError` for an unknown organisation.
    """
    entry = directory.organisation(organisation)
    origin = log_origin(directory.network, organisation, slot)
    lines = [f"# {origin}, by directory version {directory.version}"]
    logs = [
        _vkey(origin, signature_type, public)
        for key_set in entry.key_sets
        for signature_type, public in (
            (ED25519_TYPE, key_set.log.ed25519),
            (MLDSA44_TYPE, key_set.log.mldsa44),
        )
    ]
    lines += [f"log {vkey}" for vkey in dict.fromkeys(logs)]
    for witness in entry.witnesses:
        name = witness_name(directory.network, witness)
        keys = [s.witness.mldsa44 for s in directory.organisation(witness).key_sets]
        vkeys = [_vkey(name, MLDSA44_TYPE, public) for public in dict.fromkeys(keys)]
        members = [f"{witness}/{number}" for number in range(1, len(vkeys) + 1)]
        lines += [f"witness {one} {vkey}" for one, vkey in zip(members, vkeys, strict=True)]
        lines.append(f"group {witness} any {' '.join(members)}")
    if entry.witnesses:
        needed = enough(len(entry.witnesses))
        lines += [f"group {QUORUM} {needed} {' '.join(entry.witnesses)}", f"quorum {QUORUM}"]
    else:
        lines.append("quorum none")
    return "".join(f"{line}\n" for line in lines)


def _vkey(name: str, signature_type: int, public: bytes) -> str:
    """Return a key as signed notes write it: name, id and typed key (C2SP signed-note)."""
    identity = key_id(name, signature_type, public).hex()
    return f"{name}+{identity}+{b64encode(bytes([signature_type]) + public).decode('ascii')}"
