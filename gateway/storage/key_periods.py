"""Which storage keys rows still need: a table's rows name theirs in `key_year`.

That is a year (2026), or a month (202607) where rows live for weeks.
"""

from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection

_ROW_OF: Final[dict[str, LiteralString]] = {
    "clients": "SELECT FROM clients WHERE key_year = $1 AND secret_box IS NOT NULL LIMIT 1",
    "code_acquisitions": "SELECT FROM code_acquisitions WHERE key_year = $1 LIMIT 1",
    "code_wanted": "SELECT FROM code_wanted WHERE key_year = $1 LIMIT 1",
    "holds": "SELECT FROM holds WHERE key_year = $1 LIMIT 1",
    "inquiries": "SELECT FROM inquiries WHERE key_year = $1 LIMIT 1",
    "network_codes": "SELECT FROM network_codes WHERE key_year = $1 LIMIT 1",
    "notices": "SELECT FROM notices WHERE key_year = $1 LIMIT 1",
    "replicas": "SELECT FROM replicas WHERE key_year = $1 AND items_box IS NOT NULL LIMIT 1",
    "resident_people": "SELECT FROM resident_people WHERE key_year = $1 LIMIT 1",
    "staff_credentials": "SELECT FROM staff_credentials"
    " WHERE key_year = $1 AND totp_box IS NOT NULL LIMIT 1",
}
"""Every table with boxes; a row may outlive what it had sealed."""

TABLES: Final = frozenset(_ROW_OF)
SCAN_TIMEOUT_S: Final = 600.0
"""No index finds a period: the whole of a table is read once, when its last row is gone."""


async def is_needed(connection: Connection, table: str, period: int) -> bool:
    """Tell whether a row of one of `TABLES` lies under the key of this period."""
    row = await connection.fetchrow(_ROW_OF[table], period, timeout=SCAN_TIMEOUT_S)
    return row is not None


_NOW: Final[LiteralString] = "SELECT now()"


async def now(connection: Connection) -> datetime:
    """Return the time by the database's clock."""
    moment: datetime = await connection.fetchval(_NOW)
    return moment
