"""How many witnesses are enough, and a slot's trust policy as its directory has it."""

from certs.directory import Directory
from gateway.records.note import log_origin, witness_name
from gateway.records.proof_files import write_policy


def enough(witnesses: int) -> int:
    """Return how many of so many witnesses must have cosigned: more than half of them (ADR 14).

    With two it is both; whoever wants to bear the loss of one names three.
    """
    return witnesses // 2 + 1 if witnesses else 0


def policy_text(directory: Directory, organisation: str, slot: int) -> str:
    """Return the tlog-policy file of one slot, with every key there ever was.

    Raises `DirectoryError` for an unknown organisation.
    """
    entry = directory.organisation(organisation)
    return write_policy(
        origin=log_origin(directory.network, organisation, slot),
        keys=[key_set.log for key_set in entry.key_sets],
        witnesses=[
            (
                witness_name(directory.network, witness),
                [key_set.witness for key_set in directory.organisation(witness).key_sets],
            )
            for witness in entry.witnesses
        ],
        required=enough(len(entry.witnesses)),
    )
