"""The seals of an organisation's slots: made by whoever writes, asked for by whoever signs.

Their key is in the key store, outside PostgreSQL. It is made with the first slot and never
replaced: without it nothing that was recorded could be signed again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol, Self

from certs.boxes import SecretKey
from certs.errors import CertsError, SlotSealError
from certs.slot_seal import SlotFacts, slot_seal, verify_slot_seal
from gateway.errors import ConfigurationError
from gateway.flows.record_seal import MonthKeys
from gateway.flows.record_types import SlotDoubtedError
from gateway.records.note import Checkpoint, log_origin
from gateway.records.tree import EMPTY_ROOT
from gateway.storage.slots import SlotState

SLOT_SEAL: Final = "slot-seal"
"""The name of the secret in the key store."""
SEAL: Final = "seal"

Seal = Callable[[Checkpoint, datetime | None, Checkpoint], bytes]
"""Makes the seal of a tree, its last entry's time and the tree that was signed before."""


class LogKeys(MonthKeys, Protocol):
    """What gives the keys of a record log, as `certs.keystore.KeyStore`."""

    @property
    def network(self) -> str:
        """Return the network's name."""
        ...

    @property
    def organisation(self) -> str:
        """Return the organisation whose keys these are."""
        ...

    def secret(self, name: str, *, create: bool = True) -> SecretKey:
        """Return a named secret."""
        ...


class SlotSeals:
    """Makes and verifies the seals of one organisation's slots."""

    def __init__(self, key: SecretKey, *, network: str, organisation: str) -> None:
        self._key = key
        self._network = network
        self._organisation = organisation

    @classmethod
    def open(cls, keys: LogKeys, *, is_first: bool = False) -> Self:
        """Return the seals under the key store's secret, which is made only for the first slot.

        Raises:
            ConfigurationError: the key store is older than the slots, or another one.
        """
        try:
            key = keys.secret(SLOT_SEAL, create=is_first)
        except CertsError as error:
            raise ConfigurationError(f"key store: {error}; slots cannot be told genuine") from None
        return cls(key, network=keys.network, organisation=keys.organisation)

    def origin(self, slot: int) -> str:
        """Return the origin of a slot, whatever its row says."""
        return log_origin(self._network, self._organisation, slot)

    def empty(self, slot: int) -> bytes:
        """Return the seal of a slot without entries."""
        nothing = Checkpoint(self.origin(slot), 0, EMPTY_ROOT)
        return self.seal(nothing, None, nothing)

    def seal(self, tree: Checkpoint, last_time: datetime | None, signed: Checkpoint) -> bytes:
        """Return the seal of a slot at `tree`; `signed` is of the same slot, and was marked."""
        facts = SlotFacts(
            origin=tree.origin,
            size=tree.size,
            root=tree.root,
            last_time=last_time,
            signed_size=signed.size,
            signed_root=signed.root,
        )
        return slot_seal(self._key, facts)

    def require(self, state: SlotState) -> None:
        """Return quietly if a writer of this organisation made the row of this slot.

        Raises:
            SlotDoubtedError: nobody knows who did; nothing is signed on its word.
        """
        facts = SlotFacts(
            origin=self.origin(state.slot),
            size=state.size,
            root=state.root,
            last_time=state.last_time,
            signed_size=state.signed_size,
            signed_root=state.signed_root,
        )
        try:
            verify_slot_seal(self._key, facts, state.seal)
        except SlotSealError:
            raise SlotDoubtedError(state.slot, "its row is not sealed") from None
