"""Small edits of a bundle's files, as an attacker or a bad disk makes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.records.bundle import Files

FILES: Final = (
    *("slots/0.entries", "slots/0.leaves", "slots/0.json", "slots/0.private"),
    *("bundle.json", "peer-notes.json"),
)
KINDS: Final = ("flip", "cut", "double", "turn", "blank")


@dataclass(frozen=True)
class Edit:
    """What is done to some bytes of one file; `at` counts from the beginning, round and round."""

    file: str
    at: int
    length: int
    kind: str
    mask: int = 1

    def apply(self, raw: bytes) -> bytes:
        """Return the file after the edit."""
        at = self.at % (len(raw) + 1)
        piece = raw[at : at + self.length]
        match self.kind:
            case "flip":
                piece = bytes(byte ^ self.mask for byte in piece[:1]) + piece[1:]
            case "cut":
                piece = b""
            case "double":
                piece += piece
            case "turn":
                piece = piece[::-1]
            case _:
                piece = b"0" * len(piece)
        return raw[:at] + piece + raw[at + self.length :]


def edited(files: Files, edits: Sequence[Edit]) -> dict[str, bytes]:
    """Return a bundle after these edits."""
    after = dict(files)
    for edit in edits:
        after[edit.file] = edit.apply(after[edit.file])
    return after
