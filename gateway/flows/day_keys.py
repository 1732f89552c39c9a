"""What a table cut by day holds of people: under the key of its day, which goes with the day.

Keys are made when a day is first written and kept in memory, so that an exchange touches no file.
Reading never makes a key: what has none is gone.
"""

from datetime import date
from typing import Final

from certs.boxes import BlindIndex, Box, row_ad
from certs.keystore import KeyStore


class DayKeys:
    """The day keys of one organisation, ready to seal, open and find."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys: Final = keys
        self._boxes: dict[tuple[str, date], Box] = {}
        self._indexes: dict[tuple[str, str, date], BlindIndex] = {}

    def seal(self, table: str, column: str, day: date, row_id: str, plaintext: bytes) -> bytes:
        """Return the box to store in this place, under the key of the table's day."""
        return self._box(table, day, create=True).seal(plaintext, self._ad(table, column, row_id))

    def open(self, table: str, column: str, day: date, row_id: str, box: bytes) -> bytes:
        """Return what was sealed in this place; raises `KeyStoreError` if the day's key is gone."""
        return self._box(table, day, create=False).open(box, self._ad(table, column, row_id))

    def index(self, table: str, column: str, day: date, value: bytes) -> bytes:
        """Return the 32 bytes by which a value is found that day; without the key they say nothing.

        Of one value they differ from day to day.
        """
        index = self._indexes.get((table, column, day))
        if index is None:
            key = self._keys.day(table, day)
            index = self._indexes[table, column, day] = BlindIndex(key, f"{table}.{column}")
        return index.of(value)

    def forget(self) -> None:
        """Drop what was made of keys; it is made again of those that are still there."""
        self._boxes.clear()
        self._indexes.clear()

    def _box(self, table: str, day: date, *, create: bool) -> Box:
        box = self._boxes.get((table, day))
        if box is None:
            box = self._boxes[table, day] = Box(self._keys.day(table, day, create=create))
        return box

    def _ad(self, table: str, column: str, row_id: str) -> bytes:
        return row_ad(self._keys.organisation, table, column, row_id, 0)

    def __repr__(self) -> str:
        return f"DayKeys({self._keys.organisation}, masked)"
