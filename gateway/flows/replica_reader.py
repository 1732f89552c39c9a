"""Replicas opened: what a provider's answers are made from."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog

from certs.errors import CertsError
from codes.canonical import tokyo_day
from gateway.clock import Clock
from gateway.domain.replica import ItemValue, ReplicaRecord
from gateway.flows.vault import Vault
from gateway.storage import replicas
from gateway.storage.database import Connection

log = structlog.get_logger()

_ITEMS: Final = msgspec.json.Decoder(dict[str, str | int | dict[str, str]])


class ReplicaReader:
    """Reads and opens the records of many people at once."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def read(
        self, connection: Connection, wanted: Sequence[tuple[bytes, str]]
    ) -> dict[tuple[bytes, str], list[ReplicaRecord] | None]:
        """Return the published records by person and term; None in place of what cannot be read."""
        today = tokyo_day(self._clock.now())
        rows = await replicas.replicas_for(connection, wanted, today=today)
        return {
            (subject, term): self._records(subject, term, found)
            for (subject, term), found in rows.items()
        }

    def _records(
        self, subject: bytes, term: str, rows: Sequence[replicas.ReplicaRow]
    ) -> list[ReplicaRecord] | None:
        try:
            return [
                ReplicaRecord(
                    record_key=row.record_key,
                    period_from=row.period_from,
                    period_to=row.period_to,
                    generation=row.generation,
                    items=self._open(subject, term, row),
                )
                for row in rows
            ]
        except (CertsError, msgspec.MsgspecError):
            log.error("replica_unreadable", information=term, rows=len(rows))  # noqa: TRY400 - a stack could hold what was read
            return None

    def _open(self, subject: bytes, term: str, row: replicas.ReplicaRow) -> Mapping[str, ItemValue]:
        raw = self._vault.open(
            replicas.TABLE,
            replicas.ITEMS,
            row.key_year,
            replicas.place(subject, term, row.record_key),
            row.items_box,
            generation=row.generation,
        )
        return _ITEMS.decode(raw)
