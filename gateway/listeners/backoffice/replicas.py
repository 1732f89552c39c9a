"""Back-office zone: replicas supplied in batches, and looked up by who supplies them."""

from http import HTTPStatus
from typing import Final

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.domain.replica import ItemValue
from gateway.domain.scopes import REPLICAS_READ, REPLICAS_WRITE
from gateway.flows.read_replicas import PublishedRecord
from gateway.http.routes import Permission, Reply, Route
from gateway.listeners.backoffice.idempotency import IDEMPOTENCY_KEY, idempotency_key
from gateway.listeners.backoffice.services import BackofficeCall
from gateway.storage.replica_batches import BatchRow
from gateway.wire.replicas import (
    JSON_LINES,
    Batch,
    FindingTold,
    ReplicaFound,
    ReplicasFound,
    ReplicasLookup,
)

WRITE: Final = Permission(REPLICAS_WRITE)
READ: Final = Permission(REPLICAS_READ)
BATCH_BYTES_MAX: Final = 4 * 1024**3


async def load_replicas(call: BackofficeCall) -> Reply:
    """Take in a batch of replicas as JSON Lines, a header first, and apply it whole.

    Rows that are not taken are told by their place and a reason. With the same
    `Idempotency-Key` and body a batch is applied once.
    """
    row = await call.services.load_replicas.load(
        call.chunks(), call.caller.registration, idempotency_key=idempotency_key(call)
    )
    return Reply(
        _batch(row),
        status=HTTPStatus.CREATED,
        headers={"Location": f"/v1/replica-batches/{row.batch_id}"},
    )


async def show_batch(call: BackofficeCall) -> Batch:
    """Show one of the caller's own batches."""
    return _batch(await call.services.load_replicas.find(call.path("id"), call.caller.registration))


async def look_up_replicas(call: BackofficeCall, body: ReplicasLookup) -> ReplicasFound:
    """Show what is published of one person today; that it was shown is recorded."""
    found = await call.services.read_replicas.look_up(
        UnifiedNumber.parse(body.unified_number), body.terms, call.caller.registration
    )
    return ReplicasFound(records=[_record(one) for one in found])


def _batch(row: BatchRow) -> Batch:
    return Batch(
        id=row.batch_id,
        state=row.state,
        kind=row.kind,
        term=row.term,
        layout=row.layout,
        created_at=instant(row.created_at),
        applied_at=instant(row.applied_at) if row.applied_at else None,
        rows_put=row.rows_put,
        rows_deleted=row.rows_deleted,
        rows_refused=row.rows_refused,
        findings=[FindingTold(ordinal=one.ordinal, reason=one.reason) for one in row.findings],
        reason=row.reason,
    )


def _record(one: PublishedRecord) -> ReplicaFound:
    row = one.row
    return ReplicaFound(
        term=one.term,
        record_key=row.record_key,
        published_from=row.published_from.isoformat(),
        published_until=row.published_until.isoformat() if row.published_until else None,
        first=row.period_from.isoformat() if row.period_from else None,
        last=row.period_to.isoformat() if row.period_to else None,
        items={code: _value(value) for code, value in one.items.items()},
    )


def _value(value: ItemValue) -> str | int | dict[str, str]:
    return value if isinstance(value, str | int) else dict(value)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/replica-batches",
        handler=load_replicas,
        permission=WRITE,
        summary="Supply replicas",
        response=Batch,
        headers=(IDEMPOTENCY_KEY,),
        statuses=(HTTPStatus.CREATED,),
        takes=JSON_LINES,
        bytes_max=BATCH_BYTES_MAX,
        problems=(
            "malformed-json",
            "invalid-body",
            "batch-refused",
            "outside-registration",
            "idempotency-mismatch",
            "queue-full",
        ),
    ),
    Route(
        method="GET",
        path="/v1/replica-batches/{id}",
        handler=show_batch,
        permission=READ,
        summary="Show a batch of replicas",
        response=Batch,
        problems=("not-found",),
    ),
    Route(
        method="POST",
        path="/v1/replicas:lookup",
        handler=look_up_replicas,
        permission=READ,
        summary="Look up published replicas",
        request=ReplicasLookup,
        response=ReplicasFound,
        bytes_max=16 * 1024,
        problems=("outside-registration", "queue-full"),
    ),
)
