"""Systems supply replicas: a batch streamed row by row, applied whole by one entry.

Memory is bounded whatever the batch's size: lines are made into rows a piece at a time, and while
one piece is written the next is made. Rows count for nothing until the batch is applied, and the
change binds like any other behind the gate (PROTOCOL §4).
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from codes.canonical import b64, tokyo_day
from codes.errors import CodesError
from codes.tables import shipped
from gateway.domain.client import Registration
from gateway.errors import IdempotencyMismatchError, InvalidBodyError, NotFoundError, RefusedError
from gateway.flows.context import Context
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.flows.replica_rows import RowMaker, RowRules, Tally, split_lines, without_blank
from gateway.storage import idempotency, replica_batches
from gateway.storage.effects import Effect
from gateway.storage.idempotency import IdempotencyKept
from gateway.storage.replica_batches import APPLIED, BatchRow, PutRow, ReplicasApplied
from gateway.wire.codec import decode_json
from gateway.wire.replicas import LINE_BYTES_MAX, BatchHeader

IDEMPOTENCY_LIFE: Final = timedelta(days=7)
ABANDONED_AFTER: Final = timedelta(days=1)
PIECE_LINES: Final = 512
"""So many lines are made into rows before others in this worker have a turn."""
COPY_ROWS: Final = 4096
SWEEP_ROWS: Final = 5000
SWEEP_BATCHES: Final = 200
_ROWS_REFUSED: Final = "rows-refused"
_ROW_COUNT: Final = "row-count"
_BROKEN_OFF: Final = "broken-off"


class BatchRefusedError(RefusedError):
    """The batch counts for nothing; `reason` says why and `batch` which one it is."""

    problem = "batch-refused"

    def __init__(self, reason: str, batch_id: str) -> None:
        super().__init__(f"replicas: {reason}", reason=reason, members={"batch": batch_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """One batch on its way in."""

    batch_id: str
    header: BatchHeader
    registration: Registration
    idempotency_key: str | None


class LoadReplicas:
    """The supplying side of one gateway's replicas."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def load(
        self,
        chunks: AsyncIterator[bytes],
        registration: Registration,
        *,
        idempotency_key: str | None = None,
    ) -> BatchRow:
        """Take in one batch and apply it; with a key used before, return what it stands for.

        Raises:
            OutsideRegistrationError: the client does not supply this information.
            InvalidBodyError: the header, or a line too long to be one.
            BatchRefusedError: the batch counts for nothing; its findings are kept.
            IdempotencyMismatchError: the key was used with another body.
        """
        lines = _Lines(chunks)
        header = await self._header(lines, registration)
        known = await self._known(idempotency_key, registration)
        if known is not None:
            return await self._again(known, lines, registration)
        batch = _Batch(
            batch_id=new_id(),
            header=header,
            registration=registration,
            idempotency_key=idempotency_key,
        )
        async with self._context.database.read() as connection:
            generation = await replica_batches.begin(
                connection,
                batch_id=batch.batch_id,
                client_id=registration.client_id,
                kind=header.kind,
                term=header.term,
                layout=header.layout,
            )
        maker = RowMaker(self._context.vault, self._rules(header, generation))
        try:
            await self._receive(lines, maker)
            _check(header, maker.tally, batch.batch_id)
            await self._apply(batch, maker.tally, lines.digest())
        except BaseException as error:
            await self._refuse(batch.batch_id, maker.tally, error)
            known = await self._known(idempotency_key, registration)
            if isinstance(error, EffectRefusedError) and known is not None:
                # Twice at once with one key: the other was faster.
                return await self._again(known, lines, registration)
            raise
        return await self.find(batch.batch_id, registration)

    async def find(self, batch_id: str, registration: Registration) -> BatchRow:
        """Return a client's own batch, or raise `NotFoundError`."""
        async with self._context.database.read() as connection:
            row = await replica_batches.find(connection, batch_id)
        if row is None or row.client_id != registration.client_id:
            raise NotFoundError("replica batch: none of this client")
        return row

    async def sweep(self) -> None:
        """Delete what no longer counts: hidden by newer rows, ended, refused, left unfinished."""
        now = self._context.clock.now()
        today = tokyo_day(now)
        async with (
            self._context.database.read() as connection,
            replica_batches.sweeping(connection) as is_alone,
        ):
            if not is_alone:
                return
            for generation, rows in await replica_batches.unswept(
                connection, today=today, limit=SWEEP_BATCHES
            ):
                for first in range(1, rows + 1, SWEEP_ROWS):
                    await replica_batches.drop_hidden(
                        connection, generation, first=first, until=first + SWEEP_ROWS, today=today
                    )
                await replica_batches.swept(connection, generation, today=today)
            while await replica_batches.drop_ended(connection, today=today, limit=SWEEP_ROWS):
                pass
            while await replica_batches.drop_refused(
                connection, begun_before=now - ABANDONED_AFTER, limit=SWEEP_ROWS
            ):
                pass

    async def _header(self, lines: "_Lines", registration: Registration) -> BatchHeader:
        first = await lines.first()
        header = decode_json(first, BatchHeader, bytes_max=LINE_BYTES_MAX)
        registration.admit_supply(term=header.term)
        today = tokyo_day(self._context.clock.now())
        try:
            shipped().information.find(header.term, today)
        except CodesError:
            raise InvalidBodyError("replicas: no such term today", pointer="/term") from None
        return header

    def _rules(self, header: BatchHeader, generation: int) -> RowRules:
        now = self._context.clock.now()
        today = tokyo_day(now)
        return RowRules(
            term=header.term,
            items=frozenset(
                item.code for item in shipped().items_of(header.term) if item.holds_on(today)
            ),
            generation=generation,
            key_year=now.year,
            today=today,
            may_put=header.kind != "deletion",
            may_delete=header.kind != "initial",
        )

    async def _receive(self, lines: "_Lines", maker: RowMaker) -> None:
        """Make rows and write them, one piece written while the next is made."""
        writing: asyncio.Task[None] | None = None
        rows: list[PutRow] = []
        try:
            async for piece in lines.pieces():
                rows += maker.make(piece)
                if len(rows) >= COPY_ROWS:
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(self._put(rows))
                    rows = []
                await asyncio.sleep(0)
            if rows:
                await self._put(rows)
        finally:
            if writing is not None:
                await writing

    async def _put(self, rows: Sequence[PutRow]) -> None:
        async with self._context.database.read() as connection:
            await replica_batches.put(connection, rows)

    async def _apply(self, batch: _Batch, tally: Tally, digest: bytes) -> None:
        """Record the batch, and with it let its rows count."""
        registration = batch.registration
        draft = Draft(
            kind="replicas-loaded",
            members={},
            private={
                "batch_id": batch.batch_id,
                "kind": batch.header.kind,
                "term": batch.header.term,
                "layout": batch.header.layout,
                "rows_put": tally.put,
                "rows_deleted": tally.deleted,
                "rows_refused": tally.refused,
                "digest": b64(digest),
                "client_id": registration.client_id,
                "system": registration.system,
            },
            search=SearchColumns(
                system=registration.system, information=batch.header.term, outcome=APPLIED
            ),
            effects=self._effects(batch, tally, digest),
            changes_gate=True,
        )
        (outcome,) = await self._context.writer.append([draft], source=registration.client_id)
        if not isinstance(outcome, Recorded):
            raise outcome

    def _effects(self, batch: _Batch, tally: Tally, digest: bytes) -> tuple[Effect, ...]:
        applied = ReplicasApplied(
            batch_id=batch.batch_id,
            rows_put=tally.put,
            rows_deleted=tally.deleted,
            rows_refused=tally.refused,
            findings=tuple(tally.findings),
            digest=digest,
        )
        if batch.idempotency_key is None:
            return (applied,)
        kept = IdempotencyKept(
            client_id=batch.registration.client_id,
            idempotency_key=batch.idempotency_key,
            digest=digest,
            inquiry_id=batch.batch_id,
            expires_at=self._context.clock.now() + IDEMPOTENCY_LIFE,
        )
        return (applied, kept)

    async def _refuse(self, batch_id: str, tally: Tally, error: BaseException) -> None:
        reason = error.reason if isinstance(error, BatchRefusedError) else _BROKEN_OFF
        async with self._context.database.read() as connection:
            await replica_batches.refuse(
                connection,
                batch_id,
                reason,
                rows_refused=tally.refused,
                findings=tally.findings,
            )

    async def _known(self, key: str | None, registration: Registration) -> idempotency.Kept | None:
        if key is None:
            return None
        async with self._context.database.read() as connection:
            place = (registration.client_id, key)
            return (await idempotency.find(connection, [place])).get(place)

    async def _again(
        self, known: idempotency.Kept, lines: "_Lines", registration: Registration
    ) -> BatchRow:
        """Return the batch of a key used before, if the body is the same to the last byte."""
        async for _ in lines.pieces():
            pass
        if not hmac.compare_digest(known.digest, lines.digest()):
            raise IdempotencyMismatchError("replicas: the key stands for another body")
        return await self.find(known.inquiry_id, registration)


class _Lines:
    """The lines of a body as they come: the first one, then the others in pieces."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self._rest = b""
        self._ready: list[bytes] = []
        self._is_over = False

    async def first(self) -> bytes:
        """Return the first line that holds something."""
        while not self._ready and not self._is_over:
            await self._more()
        if not self._ready:
            raise InvalidBodyError("replicas: no header", pointer="")
        return self._ready.pop(0)

    async def pieces(self) -> AsyncIterator[list[bytes]]:
        """Yield all other lines, a bounded number at a time."""
        while self._ready or not self._is_over:
            for start in range(0, len(self._ready), PIECE_LINES):
                yield self._ready[start : start + PIECE_LINES]
            self._ready = []
            if not self._is_over:
                await self._more()

    def digest(self) -> bytes:
        """Return the SHA-256 of everything that came."""
        return self._hash.digest()

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            self._is_over = True
            lines, self._rest = [self._rest], b""
        else:
            self._hash.update(chunk)
            lines, self._rest = split_lines(self._rest, chunk)
        if len(self._rest) > LINE_BYTES_MAX or any(len(line) > LINE_BYTES_MAX for line in lines):
            raise InvalidBodyError(f"replicas: a line over {LINE_BYTES_MAX} bytes", pointer="")
        self._ready += without_blank(lines)


def _check(header: BatchHeader, tally: Tally, batch_id: str) -> None:
    """Refuse a batch that is not all there, or that should count only without a fault."""
    if header.rows is not None and header.rows != tally.rows:
        raise BatchRefusedError(_ROW_COUNT, batch_id)
    if header.whole and tally.refused:
        raise BatchRefusedError(_ROWS_REFUSED, batch_id)
