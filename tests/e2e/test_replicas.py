"""Replicas as systems supply them, and what of them is provided."""

import secrets
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from codes.canonical import tokyo_day
from codes.numbers import UnifiedNumber
from gateway.client import BackofficeClient, GatewayRefusedError, RequestInvalidError
from gateway.client.errors import NotFoundError, OutsideRegistrationError
from gateway.demo import cast
from gateway.flows.load_replicas import LoadReplicas
from gateway.wire.replicas import BatchHeader, ReasonOfNull, ReplicaRow
from tests.e2e.clients import a_client
from tests.e2e.parties import Network

TAX = "TM00000000000002"
ITEM = "XTK0000010000003"
OTHER_ITEM = "XTK0000010000004"


@pytest.fixture(scope="module")
async def supplier(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(await a_client(network, cast.NAGAOKA, "zeimu")) as client:
        yield client


@pytest.fixture
def today(network: Network) -> date:
    return tokyo_day(network.gateway(cast.NAGAOKA).context.clock.now())


def a_number() -> str:
    return f"{secrets.randbelow(10**15):015d}"


def a_header(**changed: object) -> BatchHeader:
    members: dict[str, object] = {"kind": "change", "term": TAX, "layout": "7.0"}
    return BatchHeader(**(members | changed))  # type: ignore[arg-type]  # as above


def a_row(number: str, **changed: object) -> ReplicaRow:
    members: dict[str, object] = {
        "unified_number": number,
        "record_key": "2026",
        "published_from": date(2026, 6, 1),
        "items": {ITEM: 3500},
    }
    return ReplicaRow(**(members | changed))  # type: ignore[arg-type]  # as above


async def items_of(client: BackofficeClient, number: str) -> list[dict[str, object]]:
    found = await client.published(number, [TAX])
    return [dict(record.items) for record in found.records]


async def test_a_batch_is_applied_whole_and_its_rows_are_published(
    supplier: BackofficeClient,
) -> None:
    number = a_number()
    rows = [
        a_row(number, items={ITEM: 3500, OTHER_ITEM: ReasonOfNull("NotAcceptable")}),
        a_row(a_number(), first=date(2025, 4, 1), last=date(2026, 3, 31)),
    ]

    batch = await supplier.load_replicas(a_header(rows=2), rows)
    again = await supplier.batch(batch.id)

    assert (batch.state, batch.rows_put, batch.rows_refused) == ("applied", 2, 0)
    assert again == batch
    assert await items_of(supplier, number) == [
        {ITEM: 3500, OTHER_ITEM: {"reason_of_null": "NotAcceptable"}}
    ]


async def test_the_newest_generation_counts_and_a_deletion_takes_the_record_away(
    supplier: BackofficeClient,
) -> None:
    number = a_number()

    await supplier.load_replicas(a_header(), [a_row(number)])
    await supplier.load_replicas(a_header(), [a_row(number, items={ITEM: 4000})])
    corrected = await items_of(supplier, number)
    gone = ReplicaRow(unified_number=number, record_key="2026", deletion=True)
    await supplier.load_replicas(a_header(kind="deletion"), [gone])

    assert corrected == [{ITEM: 4000}]
    assert await items_of(supplier, number) == []


async def test_the_last_row_of_a_batch_about_a_record_counts(supplier: BackofficeClient) -> None:
    number = a_number()

    await supplier.load_replicas(
        a_header(), [a_row(number, items={ITEM: 1}), a_row(number, items={ITEM: 2})]
    )

    assert await items_of(supplier, number) == [{ITEM: 2}]


async def test_a_row_counts_only_while_it_is_published(
    supplier: BackofficeClient, today: date
) -> None:
    ahead, over, present = a_number(), a_number(), a_number()
    day = timedelta(days=1)

    await supplier.load_replicas(a_header(), [a_row(ahead), a_row(over), a_row(present)])
    await supplier.load_replicas(
        a_header(),
        [
            a_row(ahead, published_from=today + day, items={ITEM: 9}),
            a_row(over, published_until=today - day, items={ITEM: 9}),
            a_row(present, published_from=today, published_until=today, items={ITEM: 9}),
        ],
    )

    # What begins tomorrow hides nothing today; what has ended does not let the older come back.
    assert await items_of(supplier, ahead) == [{ITEM: 3500}]
    assert await items_of(supplier, over) == []
    assert await items_of(supplier, present) == [{ITEM: 9}]


async def test_the_sweep_deletes_what_is_hidden_and_changes_no_answer(
    supplier: BackofficeClient, network: Network
) -> None:
    kept, gone = a_number(), a_number()
    await supplier.load_replicas(a_header(), [a_row(kept), a_row(gone)])
    await supplier.load_replicas(
        a_header(),
        [
            a_row(kept, items={ITEM: 2}),
            ReplicaRow(unified_number=gone, record_key="2026", deletion=True),
        ],
    )
    context = network.gateway(cast.NAGAOKA).context
    subjects = [context.vault.subject(UnifiedNumber.parse(one)) for one in (kept, gone)]

    await LoadReplicas(context).sweep()
    async with context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT subject FROM replicas WHERE subject = ANY ($1::bytea[])", subjects
        )

    assert [row["subject"] for row in rows] == subjects[:1]
    assert await items_of(supplier, kept) == [{ITEM: 2}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "malformed"),
        (b'{"unified_number":"1","record_key":"k","record_key":"k"}', "duplicate-member"),
        (b'{"unified_number":"1","record_key":"k","items":{"\\u0000":1}}', "nul-character"),
        (b'{"unified_number":"1","record_key":"k","items":{"a":"\\ud800"}}', "malformed"),
        (b'{"unified_number":"1","record_key":"k","x":1}', "malformed"),
        (b'{"unified_number":"1","record_key":"k","items":{"a":[[[[[1]]]]]}}', "malformed"),
        (b'{"unified_number":"1","record_key":"k","items":{"a":-1}}', "malformed"),
        (b'{"unified_number":"1","record_key":"k","items":{"a":1.5}}', "malformed"),
        (b'{"unified_number":"x1","record_key":"k"}', "unified-number"),
        (b'{"unified_number":"1234567890123456","record_key":"k"}', "unified-number"),
        (b'{"unified_number":"1","record_key":"\\u5e74"}', "record-key"),
        (b'{"unified_number":"1","record_key":"k"}', "no-items"),
        (
            b'{"unified_number":"1","record_key":"k","items":{"XTK0000010000099":1}}',
            "unknown-item",
        ),
        (
            b'{"unified_number":"1","record_key":"k","items":{"XTK0000010000003":1}}',
            "no-publication-day",
        ),
        (
            (
                b'{"unified_number":"1","record_key":"k","items":{"XTK0000010000003":1},'
                b'"published_from":"2026-02-30"}'
            ),
            "malformed",
        ),
        (
            (
                b'{"unified_number":"1","record_key":"k","items":{"XTK0000010000003":1},'
                b'"published_from":"2026-06-01","published_until":"2026-05-31"}'
            ),
            "publication",
        ),
        (
            (
                b'{"unified_number":"1","record_key":"k","items":{"XTK0000010000003":1},'
                b'"published_from":"2026-06-01","from":"2026-06-01","to":"2026-05-31"}'
            ),
            "period",
        ),
        (b'{"unified_number":"1","record_key":"k","deletion":false}', "deletion"),
    ],
)
async def test_a_bad_row_is_told_by_its_place_and_the_others_count(
    supplier: BackofficeClient, line: bytes, reason: str
) -> None:
    number = a_number()

    batch = await supplier.load_replicas(a_header(), [a_row(a_number()), line, a_row(number)])

    assert [(one.ordinal, one.reason) for one in batch.findings] == [(2, reason)]
    assert (batch.rows_put, batch.rows_refused) == (2, 1)
    assert await items_of(supplier, number) == [{ITEM: 3500}]


async def test_a_colon_in_a_text_is_no_fault(supplier: BackofficeClient) -> None:
    number = a_number()

    await supplier.load_replicas(a_header(), [a_row(number, items={ITEM: "a:b::c"})])

    assert await items_of(supplier, number) == [{ITEM: "a:b::c"}]


@pytest.mark.parametrize(
    ("changed", "rows", "reason"),
    [({"rows": 2}, 1, "row-count"), ({"whole": True}, 1, "rows-refused")],
)
async def test_a_batch_that_is_not_as_it_says_counts_for_nothing(
    supplier: BackofficeClient, changed: dict[str, object], rows: int, reason: str
) -> None:
    number = a_number()
    lines: list[ReplicaRow | bytes] = [a_row(number)] * rows
    if reason == "rows-refused":
        lines.append(b"{}")

    with pytest.raises(RequestInvalidError) as refused:
        await supplier.load_replicas(a_header(**changed), lines)

    assert (refused.value.type, refused.value.reason) == ("batch-refused", reason)
    assert await items_of(supplier, number) == []


@pytest.mark.parametrize(
    ("first", "type_"),
    [
        (b"", "invalid-body"),
        (b"[]", "invalid-body"),
        (b'{"kind":"change","term":"TM00000000000002"', "malformed-json"),
        (b'{"kind":"other","term":"TM00000000000002","layout":"1"}', "invalid-body"),
        (b'{"kind":"change","term":"TM99999999999999","layout":"1"}', "invalid-body"),
        (b'{"kind":"change","term":"TM00000000000002","layout":"1","x":1}', "invalid-body"),
        (b" " * 70_000, "invalid-body"),
    ],
)
async def test_a_bad_header_begins_no_batch(
    supplier: BackofficeClient, first: bytes, type_: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield first + b"\n"

    with pytest.raises(RequestInvalidError) as refused:
        await supplier.load_lines(chunks())

    assert refused.value.type == type_


async def test_one_key_is_one_batch(supplier: BackofficeClient) -> None:
    rows, key = [a_row(a_number())], secrets.token_hex(8)

    first = await supplier.load_replicas(a_header(), rows, idempotency_key=key)
    again = await supplier.load_replicas(a_header(), rows, idempotency_key=key)
    with pytest.raises(RequestInvalidError) as mismatch:
        await supplier.load_replicas(a_header(), [a_row(a_number())], idempotency_key=key)

    assert again == first
    assert mismatch.value.type == "idempotency-mismatch"


async def test_a_client_supplies_and_sees_only_what_it_is_registered_for(
    network: Network, supplier: BackofficeClient
) -> None:
    other = await a_client(network, cast.NAGAOKA, "other", information=["XTM0000000000003"])
    batch = await supplier.load_replicas(a_header(), [a_row(a_number())])

    async with BackofficeClient(other) as client:
        with pytest.raises(OutsideRegistrationError) as outside:
            await client.load_replicas(a_header(), [a_row(a_number())])
        with pytest.raises(OutsideRegistrationError):
            await client.published(a_number(), [TAX])
        with pytest.raises(NotFoundError):
            await client.batch(batch.id)

    assert outside.value.reason == "information"
    assert not isinstance(outside.value, GatewayRefusedError)


async def test_the_sweep_ends_what_is_over_and_never_lets_the_older_come_back(
    supplier: BackofficeClient, network: Network, today: date
) -> None:
    over, gone, ahead = a_number(), a_number(), a_number()
    day = timedelta(days=1)
    context = network.gateway(cast.NAGAOKA).context
    await supplier.load_replicas(a_header(), [a_row(over), a_row(gone), a_row(ahead)])
    await supplier.load_replicas(
        a_header(),
        [
            a_row(over, published_until=today - day),
            ReplicaRow(unified_number=gone, record_key="2026", deletion=True),
            a_row(ahead, published_from=today + day, items={ITEM: 9}),
        ],
    )

    for _ in range(2):
        await LoadReplicas(context).sweep()
    async with context.database.read() as connection:
        left = {
            number: await connection.fetchval(
                "SELECT count(*) FROM replicas WHERE subject = $1",
                context.vault.subject(UnifiedNumber.parse(number)),
            )
            for number in (over, gone, ahead)
        }

    assert left == {over: 0, gone: 0, ahead: 2}
    assert [await items_of(supplier, one) for one in (over, gone)] == [[], []]
    assert await items_of(supplier, ahead) == [{ITEM: 3500}]


async def test_an_unfinished_older_batch_keeps_a_deletion_standing(
    supplier: BackofficeClient, network: Network
) -> None:
    number = a_number()
    context = network.gateway(cast.NAGAOKA).context
    async with context.database.read() as connection:
        await connection.execute(
            "INSERT INTO replica_batches (batch_id, client_id, kind, term, layout, state)"
            " VALUES ($1, 'slow', 'change', $2, '7.0', 'receiving')",
            secrets.token_hex(16),
            TAX,
        )
    await supplier.load_replicas(a_header(), [a_row(number)])
    gone = ReplicaRow(unified_number=number, record_key="2026", deletion=True)
    await supplier.load_replicas(a_header(kind="deletion"), [gone])

    await LoadReplicas(context).sweep()
    async with context.database.read() as connection:
        kept = await connection.fetchval(
            "SELECT count(*) FROM replicas WHERE subject = $1 AND is_deletion",
            context.vault.subject(UnifiedNumber.parse(number)),
        )
        await connection.execute("DELETE FROM replica_batches WHERE client_id = 'slow'")

    assert kept == 1


async def test_a_batch_left_unfinished_ends_with_its_rows(
    supplier: BackofficeClient, network: Network
) -> None:
    number = a_number()
    context = network.gateway(cast.NAGAOKA).context
    with pytest.raises(RequestInvalidError) as refused:
        await supplier.load_replicas(a_header(rows=9), [a_row(number)])

    await LoadReplicas(context).sweep()
    async with context.database.read() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM replicas WHERE subject = $1",
            context.vault.subject(UnifiedNumber.parse(number)),
        )

    assert refused.value.reason == "row-count"
    assert left == 0
