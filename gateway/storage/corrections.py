"""Corrections that others told us of, each taken once."""

from dataclasses import dataclass
from typing import ClassVar

from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionReceived(Effect):
    """The correction was taken exactly when the entry says so."""

    KIND: ClassVar[str] = "correction_received"

    leaf: bytes
    party: str
    permit_id: str
    entry_id: str

    @property
    def key(self) -> str:
        """Return the leaf hash of the correction's own entry."""
        return self.leaf.hex()
