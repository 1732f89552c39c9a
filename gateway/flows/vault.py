"""What lies encrypted in the database, and the keys it lies under (PROTOCOL §6).

Every value is bound to its organisation, table, column, row and generation; a person is found by
a keyed hash of the unified number, a code by AES-SIV, and nothing else is searchable.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from certs.boxes import Box, row_ad
from certs.keystore import KeyStore
from codes.network_code import CodeColumn, NetworkCode
from codes.numbers import UnifiedNumber
from gateway.flows.day_keys import DayKeys

CODE_COLUMN: Final = "network_codes"
_SUBJECT_LABEL: Final = b"sekisho/subject-index/v1\0"
_SUBJECT_COLUMN: Final = "subject"


def key_month(at: datetime) -> int:
    """Return the month (UTC) whose key a row lies under that lives for weeks: 202607.

    Rows that live longer lie under the key of their year, 2026. An older backup of the database
    reads a row until the last one of its month or year has ended and the key with it.
    """
    month = at.astimezone(UTC)
    return month.year * 100 + month.month


class Vault:
    """The storage keys of one organisation, ready to seal and open."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys: Final = keys
        self.organisation: Final = keys.organisation
        self.days: Final = DayKeys(keys)
        self._boxes: dict[tuple[str, int], Box] = {}
        self._subject_key: Final = keys.column(_SUBJECT_COLUMN).raw
        self._codes: Final = CodeColumn(
            keys.column(CODE_COLUMN).raw, organisation=keys.organisation, column=CODE_COLUMN
        )

    def seal(
        self,
        table: str,
        column: str,
        period: int,
        row_id: str,
        plaintext: bytes,
        *,
        generation: int = 0,
    ) -> bytes:
        """Return the box to store in this place, under the key of the table and period."""
        ad = row_ad(self.organisation, table, column, row_id, generation)
        return self._box(table, period).seal(plaintext, ad)

    def sealer(
        self, table: str, column: str, period: int, *, generation: int
    ) -> Callable[[str, bytes], bytes]:
        """Return what seals many rows of one column: takes row id and plaintext."""
        box, organisation = self._box(table, period), self.organisation

        def seal(row_id: str, plaintext: bytes) -> bytes:
            return box.seal(plaintext, row_ad(organisation, table, column, row_id, generation))

        return seal

    def open(
        self,
        table: str,
        column: str,
        period: int,
        row_id: str,
        box: bytes,
        *,
        generation: int = 0,
    ) -> bytes:
        """Return what was sealed in this place; raises `KeyStoreError` for any other box."""
        ad = row_ad(self.organisation, table, column, row_id, generation)
        return self._box(table, period).open(box, ad)

    def subject(self, unified_number: UnifiedNumber) -> bytes:
        """Return the 32 bytes under which this gateway finds a person."""
        return self.subject_index(unified_number.text)

    def subject_index(self, digits: str) -> bytes:
        """Return the same for a unified number's digits, which the caller has checked."""
        message = _SUBJECT_LABEL + digits.encode("ascii")
        return hmac.digest(self._subject_key, message, hashlib.sha256)

    def stored_code(self, code: NetworkCode) -> bytes:
        """Return a network code as it is stored and searched for."""
        return self._codes.encrypt(code)

    def code(self, stored: bytes) -> NetworkCode:
        """Return the network code that was stored; raises `CodesError` for any other bytes."""
        return self._codes.decrypt(stored)

    def destroy(self, key_id: str) -> None:
        """Destroy a key for good, and what this process made of it."""
        self.keys.destroy(key_id)
        self._forget()

    async def forget_destroyed(self) -> None:
        """Drop from this process's memory every key that another one destroyed."""
        if self.keys.forget_destroyed():
            self._forget()

    def _forget(self) -> None:
        # Boxes are made again of the keys that are still in memory.
        self._boxes.clear()
        self.days.forget()

    def _box(self, table: str, period: int) -> Box:
        box = self._boxes.get((table, period))
        if box is None:
            box = self._boxes[table, period] = Box(self.keys.storage(table, period))
        return box

    def __repr__(self) -> str:
        return f"Vault({self.organisation}, masked)"
