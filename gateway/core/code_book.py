"""The core's knowledge of people: internal ids, everybody's codes, and its own management code.

Nothing here is stored but under keys of the key store; an internal id never leaves this module's
callers, and a code only sealed to the organisation it belongs to (PROTOCOL §3 *Codes*).
"""

from dataclasses import dataclass, field
from typing import Final

from certs.keystore import KeyStore
from codes.network_code import CodeDeriver, NetworkCode, OrganisationCodes
from codes.numbers import ResidentCode

DERIVATION_KEY: Final = "core-codes"
KEY_PREFIX: Final = "code-key-"
MANAGEMENT: Final = "core"
"""The core holds a code for everybody like any organisation: its management code (命令85 47③)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Somebody met under a resident-record code: the look-up, and who they are if never met."""

    lookup: bytes = field(repr=False)
    person: bytes = field(repr=False)


class CodeBook:
    """Translates between management codes (`person`) and organisations' network codes."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._deriver: Final = CodeDeriver(keys.secret(DERIVATION_KEY).raw)
        self._codes: dict[str, OrganisationCodes] = {}

    def meet(self, resident_code: ResidentCode) -> Met:
        """Return the look-up of a resident-record code and the person it makes if it is new."""
        internal_id = self._deriver.internal_id(resident_code)
        return Met(lookup=self._deriver.lookup(resident_code), person=self._person(internal_id))

    def person_of(self, code: NetworkCode, organisation: str) -> bytes:
        """Return the management code of the person whose code this is at an organisation.

        Raises `ForeignCodeError` for another organisation's or an invented code.
        """
        return self._person(self._of(organisation).internal_id(code))

    def code_of(self, person: bytes, organisation: str) -> NetworkCode:
        """Return the code that an organisation has for the person."""
        internal_id = self._of(MANAGEMENT).internal_id(NetworkCode(person))
        return self._of(organisation).code(internal_id)

    def _person(self, internal_id: bytes) -> bytes:
        return self._of(MANAGEMENT).code(internal_id).raw

    def _of(self, organisation: str) -> OrganisationCodes:
        codes = self._codes.get(organisation)
        if codes is None:
            key = self._keys.secret(KEY_PREFIX + organisation)
            codes = self._codes[organisation] = OrganisationCodes(key.raw, organisation)
        return codes

    def __repr__(self) -> str:
        return "CodeBook(masked)"
