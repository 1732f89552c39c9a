"""Replicas: what a supplying system does."""

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterable

import msgspec

from gateway.client.calls import Calls
from gateway.wire.replicas import (
    JSON_LINES,
    Batch,
    BatchHeader,
    ReplicaRow,
    ReplicasFound,
    ReplicasLookup,
)

CHUNK_BYTES = 256 * 1024


class ReplicaCalls(Calls):
    """What a supplying system does."""

    async def load_replicas(
        self,
        header: BatchHeader,
        rows: Iterable[ReplicaRow | bytes],
        *,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Supply a batch, streamed; it is applied whole, or not at all.

        Args:
            header: What the rows are.
            rows: Records, or lines of JSON that say them.
            idempotency_key: What makes it one batch however often it is sent; else a new one.

        Raises:
            GatewayRefusedError: the batch counts for nothing (`batch-refused`).
        """
        return await self.load_lines(_lines(header, rows), idempotency_key=idempotency_key)

    async def load_lines(
        self, chunks: AsyncIterable[bytes], *, idempotency_key: str | None = None
    ) -> Batch:
        """Supply a batch that is JSON Lines already, header first; see `load_replicas`."""
        answer = await self.transport.call(
            "POST",
            "/v1/replica-batches",
            body=chunks,
            headers={"Idempotency-Key": idempotency_key or secrets.token_hex(16)},
            content_type=JSON_LINES,
        )
        return answer.read(Batch)

    async def batch(self, batch_id: str) -> Batch:
        """Return one of this client's batches."""
        return (await self._get(f"/v1/replica-batches/{batch_id}")).read(Batch)

    async def published(self, unified_number: str, terms: Iterable[str]) -> ReplicasFound:
        """Return what is published of a person today; the gateway records that it was read."""
        asked = ReplicasLookup(unified_number=unified_number, terms=list(terms))
        return (await self._post("/v1/replicas:lookup", asked, is_safe=True)).read(ReplicasFound)


async def _lines(header: BatchHeader, rows: Iterable[ReplicaRow | bytes]) -> AsyncIterator[bytes]:
    """Yield header and rows as lines, many at a time."""
    encoder = msgspec.json.Encoder()
    buffer = bytearray(encoder.encode(header) + b"\n")
    for row in rows:
        buffer += row if isinstance(row, bytes) else encoder.encode(row)
        buffer += b"\n"
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)
