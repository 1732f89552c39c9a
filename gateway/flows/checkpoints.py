"""How far our log has grown, for those who have something of it in hand (PROTOCOL §5)."""

import hashlib

from certs.errors import CertsError
from gateway.errors import NotFoundError
from gateway.flows.context import Context
from gateway.flows.trust import CORE
from gateway.records.note import log_origin
from gateway.storage.checkpoints import holds_statement


class Checkpoints:
    """Checkpoints of this gateway's slots, for peers and witnesses."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._holders: set[tuple[int, str]] = set()

    async def note(self, origin_hash: str, sender: str) -> str:
        """Return the newest signed checkpoint of the slot whose origin has this hex SHA-256.

        Raises:
            NotFoundError: there is no such slot, or the sender has nothing of it in hand.
        """
        slot = self._slot(origin_hash)
        if not await self._may_see(slot, sender):
            raise NotFoundError("checkpoint: no such stream")
        return await self._context.writer.checkpoint(slot)

    def _slot(self, origin_hash: str) -> int:
        trust = self._context.trust
        for slot in range(trust.directory.organisation(trust.organisation).slots):
            origin = log_origin(trust.network, trust.organisation, slot)
            if hashlib.sha256(origin.encode("ascii")).hexdigest() == origin_hash:
                return slot
        raise NotFoundError("checkpoint: no such stream")

    async def _may_see(self, slot: int, sender: str) -> bool:
        if sender == CORE or sender in self._witnesses() or (slot, sender) in self._holders:
            return True
        async with self._context.database.read() as connection:
            is_holder = await holds_statement(connection, slot, sender)
        if is_holder:
            self._holders.add((slot, sender))
        return is_holder

    def _witnesses(self) -> frozenset[str]:
        trust = self._context.trust
        try:
            return frozenset(trust.directory.organisation(trust.organisation).witnesses)
        except CertsError:
            return frozenset()
