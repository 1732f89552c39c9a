"""A note of ours with the lines that witnesses gave: stored lines under a note made again."""

from collections.abc import Iterable

from gateway.records.note import SignatureLine, witness_name
from gateway.storage.cosigned import Cosignature


def cosigned_note(network: str, note: str, lines: Iterable[Cosignature]) -> str:
    """Return a note with these cosignatures, all of its own size."""
    return note + "".join(f"{_line(network, one).text()}\n" for one in lines)


def _line(network: str, one: Cosignature) -> SignatureLine:
    return SignatureLine(witness_name(network, one.witness), one.key_id, one.signature)
