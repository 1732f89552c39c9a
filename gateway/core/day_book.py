"""What the core keeps of people by day, under keys that are destroyed with the day.

Whom an inquirer asked about is counted under a word that means nothing on another day; whom a
permit is about, and what opens its `subject_p`, lies in a box. The seven years are the log's.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from certs.errors import KeyStoreError
from gateway.errors import UnavailableError
from gateway.flows.day_keys import DayKeys
from gateway.logs import get_logger
from gateway.storage.core_inquiries import Permitted

CONTACTS: Final = "core_contacts"
CONTACT: Final = "contact"
INQUIRIES: Final = "core_inquiries"
SEALED: Final = "sealed"
_PERSON_BYTES: Final = 32

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitSecret:
    """Whom a permit is about (the core's management code), and the salt of its `subject_p`."""

    person: bytes = field(repr=False)
    salt: bytes = field(repr=False)


class DayBook:
    """Writes and reads what the core's day partitions hold of people."""

    def __init__(self, keys: DayKeys) -> None:
        self._keys: Final = keys

    def contact(self, day: date, inquirer: str, person: bytes) -> bytes:
        """Return the word under which an inquirer's questions about a person count that day."""
        return self._keys.index(CONTACTS, CONTACT, day, inquirer.encode("ascii") + b"\0" + person)

    def seal(self, secret: PermitSecret, *, day: date, inquirer: str, leaf: bytes) -> bytes:
        """Return the box of an inquiry's row."""
        plaintext = secret.person + secret.salt
        return self._keys.seal(INQUIRIES, SEALED, day, _row(inquirer, leaf), plaintext)

    def open(self, permitted: Permitted) -> PermitSecret:
        """Return whom a permit is about; raises `UnavailableError` if its box does not open."""
        row = _row(permitted.inquirer, permitted.inquiry_leaf)
        try:
            raw = self._keys.open(INQUIRIES, SEALED, permitted.inquiry_day, row, permitted.sealed)
        except KeyStoreError as error:
            # A key store from before the day was put back, or somebody changed the row.
            log.exception("permit_not_opened", permit_id=permitted.permit_id, reason=error.reason)
            raise UnavailableError("core: a permit's box does not open") from error
        return PermitSecret(person=raw[:_PERSON_BYTES], salt=raw[_PERSON_BYTES:])


def _row(inquirer: str, leaf: bytes) -> str:
    return f"{inquirer}\0{leaf.hex()}"
