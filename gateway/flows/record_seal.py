"""Private parts and search columns under the keys of a month."""

from typing import Final, Protocol

from certs.keystore import Box, SecretKey, blind_index, row_ad
from gateway.flows.record_types import SearchColumns

GENERATION: Final = 1
_TABLE: Final = "log_entries"
_COLUMN: Final = "private"
_REMEMBERED_MAX: Final = 4096


class MonthKeys(Protocol):
    """What gives the keys of months, as `certs.keystore.KeyStore`."""

    def month(self, month: str, *, create: bool = True) -> SecretKey:
        """Return the key of a month written `2026-07` (Asia/Tokyo)."""
        ...


class MonthSealer:
    """Seals and blinds for one month after another; the last month's keys stay at hand."""

    def __init__(self, keys: MonthKeys, organisation: str) -> None:
        self._keys = keys
        self._organisation = organisation
        self._month = ""
        self._key: SecretKey
        self._box: Box
        self._blinded: dict[tuple[str, str], bytes] = {}

    def turn_to(self, month: str) -> None:
        """Use the keys of this month, made now if they are not there."""
        if month != self._month:
            self._key = self._keys.month(month)
            self._box = Box(self._key)
            self._blinded = {}
            self._month = month

    def seal(self, entry_id: str, plaintext: bytes) -> bytes:
        """Return the private part as stored."""
        return self._box.seal(plaintext, private_ad(self._organisation, entry_id))

    def blind(self, search: SearchColumns) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Return the blind indexes of subject, staff and system."""
        return (
            None if search.subject is None else blind_index(self._key, "subject", search.subject),
            None if search.staff is None else self._blind_name("staff", search.staff),
            None if search.system is None else self._blind_name("system", search.system),
        )

    def _blind_name(self, field: str, name: str) -> bytes:
        # Few staff and systems, many entries: the same values come again and again.
        found = self._blinded.get((field, name))
        if found is None:
            if len(self._blinded) >= _REMEMBERED_MAX:
                self._blinded = {}
            found = self._blinded[field, name] = blind_index(self._key, field, name.encode())
        return found


def private_ad(organisation: str, entry_id: str) -> bytes:
    """Return what the private part of an entry is bound to."""
    return row_ad(organisation, _TABLE, _COLUMN, entry_id, GENERATION)
