"""The outbox: every row is told to its destination until that has it, whoever dies or is slow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.jobs.outbox import OutboxJob
from gateway.outbound.errors import ItemRefusedError, MessageRefusedError, PeerUnavailableError
from gateway.storage import outbox
from gateway.storage.database import Connection, Database
from gateway.storage.outbox import OutboxRow
from gateway.wire.fields import ITEMS_MAX
from gateway.wire.problems import Problem

KIND = "thing"
Send = Callable[[str, Sequence[OutboxRow]], Awaitable[Sequence[RowVerdict]]]


async def put(
    database: Database, *outbox_ids: str, to: str = "a", kind: str = KIND, keep_s: float = 60.0
) -> None:
    """Put rows in that are due now; one that is not kept has lapsed a moment ago."""
    async with database.read() as connection:
        await connection.executemany(
            "INSERT INTO outbox (outbox_id, kind, destination, body, next_attempt_at, expires_at)"
            " VALUES ($1, $2, $3, '{}', now() - interval '1 s', now() + make_interval(secs => $4))",
            [(outbox_id, kind, to, keep_s) for outbox_id in outbox_ids],
        )


async def left(database: Database) -> dict[str, str | None]:
    """Return the rows that are still there, with their last problem."""
    async with database.read() as connection:
        rows = await connection.fetch("SELECT outbox_id, last_problem FROM outbox")
    return {row["outbox_id"]: row["last_problem"] for row in rows}


async def end_leases(database: Database) -> None:
    """Let every claim run out."""
    async with database.read() as connection:
        await connection.execute("UPDATE outbox SET next_attempt_at = now() - interval '1 s'")


async def claimed(connection: Connection, limit: int = 10) -> set[str]:
    return {row.outbox_id for row in await outbox.claim(connection, KIND, limit=limit)}


@dataclass
class Teller:
    """A way to tell that remembers what it was given, and answers as the test says."""

    answer: Callable[[Sequence[OutboxRow]], Sequence[RowVerdict]] = lambda rows: (
        [RowVerdict.DONE] * len(rows)
    )
    messages: list[tuple[str, set[str]]] = field(default_factory=list)
    slow: dict[str, asyncio.Event] = field(default_factory=dict)

    async def __call__(self, to: str, rows: Sequence[OutboxRow]) -> Sequence[RowVerdict]:
        self.messages.append((to, {row.outbox_id for row in rows}))
        if to in self.slow:
            await self.slow[to].wait()
        return self.answer(rows)

    def job(self, database: Database) -> OutboxJob:
        return OutboxJob(database, {KIND: self})


def count(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"kind": KIND, **labels}) or 0.0


def refusal(problem: str, status: int = 422) -> Problem:
    return Problem(type=problem, title="x", status=status)


async def turned(job: OutboxJob) -> None:
    await job.turn(KIND)
    await job.settle()


async def test_two_workers_at_once_take_each_row_once(database: Database) -> None:
    await put(database, "1", "2", "3")

    async with database.transaction() as one, database.transaction() as other:
        first = await claimed(one, 2)
        async with asyncio.timeout(20):
            second = await claimed(other)

    assert len(first) == 2
    assert first | second == {"1", "2", "3"}
    assert not first & second


async def test_a_row_is_taken_again_when_the_lease_of_whoever_took_it_ends(
    database: Database,
) -> None:
    await put(database, "1")

    async with database.read() as connection:
        assert await claimed(connection) == {"1"}
        assert await claimed(connection) == set()
        await end_leases(database)
        (again,) = await outbox.claim(connection, KIND, limit=1)

    assert again.attempts == 2


async def test_pauses_grow_up_to_five_minutes(database: Database) -> None:
    await put(database, "1")
    pauses = []
    async with database.transaction() as connection:  # now() stands still
        for attempts in (1, 2, 3, 8, 9, 2_000_000):
            await connection.execute("UPDATE outbox SET attempts = $1", attempts)
            await outbox.retry(connection, ["1"], "peer-unavailable")
            pauses.append(
                await connection.fetchval(
                    "SELECT extract(epoch FROM next_attempt_at - now())::integer FROM outbox"
                )
            )

    assert pauses == [2, 4, 8, 256, 300, 300]


async def test_what_was_taken_is_forgotten(database: Database) -> None:
    await put(database, "1", "2")
    await put(database, "3", to="b")
    teller = Teller()

    await turned(teller.job(database))

    assert sorted(teller.messages, key=str) == [("a", {"1", "2"}), ("b", {"3"})]
    assert await left(database) == {}


@pytest.mark.parametrize(
    ("error", "problem"),
    [(PeerUnavailableError("x"), "peer-unavailable"), (ValueError("x"), "internal-error")],
)
async def test_what_was_not_taken_stays_with_its_problem(
    database: Database, error: Exception, problem: str
) -> None:
    await put(database, "1")

    def fail(_rows: Sequence[OutboxRow]) -> Sequence[RowVerdict]:
        raise error

    await turned(Teller(fail).job(database))

    assert await left(database) == {"1": problem}


async def test_what_is_never_taken_is_dropped_with_an_alarm(database: Database) -> None:
    await put(database, "1", "2")
    verdicts = {"1": RowVerdict.DEAD, "2": RowVerdict.RETRY}
    teller = Teller(lambda rows: [verdicts[row.outbox_id] for row in rows])
    before = count("sekisho_outbox_dropped_rows_total", reason="refused")

    with capture_logs() as lines:
        await turned(teller.job(database))

    assert list(await left(database)) == ["2"]
    assert count("sekisho_outbox_dropped_rows_total", reason="refused") == before + 1
    told = [line for line in lines if line["event"].startswith("outbox_")]
    assert [(line["event"], line["log_level"], line["count"]) for line in told] == [
        ("outbox_rows_refused", "error", 1)
    ]


async def test_what_nobody_took_in_its_time_is_given_up_with_an_alarm(database: Database) -> None:
    await put(database, "1", keep_s=-1.0)
    await put(database, "2")
    teller = Teller(lambda rows: [RowVerdict.RETRY] * len(rows))
    job = teller.job(database)
    before = count("sekisho_outbox_dropped_rows_total", reason="lapsed")

    with capture_logs() as lines:
        await turned(job)
        await job.sweep()

    assert count("sekisho_outbox_dropped_rows_total", reason="lapsed") == before + 1
    assert teller.messages == [("a", {"2"})]
    assert list(await left(database)) == ["2"]
    told = [line for line in lines if line["event"].startswith("outbox_")]
    assert [(line["event"], line["log_level"], line["count"]) for line in told] == [
        ("outbox_rows_lapsed", "error", 1)
    ]


async def test_a_slow_destination_holds_up_nobody_else(database: Database) -> None:
    await put(database, *(f"slow-{number}" for number in range(ITEMS_MAX)), to="slow")
    await put(database, "one more", to="slow")
    await put(database, "1", to="quick")
    teller = Teller(slow={"slow": asyncio.Event()})
    job = teller.job(database)

    await job.turn(KIND)  # a whole message of what came first
    await job.turn(KIND)
    async with asyncio.timeout(20):
        while "1" in await left(database):
            await asyncio.sleep(0)
    meanwhile = [to for to, _ in teller.messages], len(await left(database))
    teller.slow["slow"].set()
    await job.settle()
    await turned(job)

    assert meanwhile == (["slow", "quick"], ITEMS_MAX + 1)
    assert [to for to, _ in teller.messages] == ["slow", "quick", "slow"]
    assert await left(database) == {}


async def test_one_bad_row_of_a_refused_message_keeps_no_other_back(database: Database) -> None:
    await put(database, "bad", "1", "2")

    teller = Teller(refuse_bad)
    await turned(teller.job(database))

    assert sorted(len(rows) for _, rows in teller.messages) == [1, 1, 1, 3]
    assert await left(database) == {"bad": "peer-refused"}


def refuse_bad(rows: Sequence[OutboxRow]) -> Sequence[RowVerdict]:
    """Refuse the whole message if the row `bad` is in it."""
    if any(row.outbox_id == "bad" for row in rows):
        raise MessageRefusedError(refusal("invalid-body"))
    return [RowVerdict.DONE] * len(rows)


async def test_a_row_refused_alone_travels_alone_from_then_on_and_is_seen(
    database: Database,
) -> None:
    await put(database, "bad")
    teller = Teller(refuse_bad)
    job = teller.job(database)

    with capture_logs([merge_contextvars]) as lines:
        await turned(job)
    await job.sweep()
    seen = count("sekisho_outbox_refused_rows")
    await put(database, "1", "2")
    await end_leases(database)
    await turned(job)

    refused = [line for line in lines if line["event"] == "outbox_row_refused"]
    assert [(line["kind"], line["peer"], line["reason"]) for line in refused] == [
        (KIND, "a", "invalid-body")
    ]
    assert seen == 1
    assert [rows for _, rows in teller.messages] == [{"bad"}, {"1", "2"}, {"bad"}]
    assert await left(database) == {"bad": "peer-refused"}


def test_only_a_refusal_of_the_item_itself_is_for_good() -> None:
    lapsed = refusal("lapsed", 409)
    foreign = refusal("what a stranger wrote 123456789012", 409)

    with capture_logs() as lines:
        verdicts = [
            verdict_of(error)
            for error in (
                ItemRefusedError(lapsed),
                MessageRefusedError(lapsed),
                ItemRefusedError(foreign),
                PeerUnavailableError("x"),
            )
        ]

    assert verdicts == [RowVerdict.DEAD, RowVerdict.RETRY, RowVerdict.RETRY, RowVerdict.RETRY]
    assert [line["reason"] for line in lines] == ["lapsed", "lapsed", "other"]


async def test_the_job_goes_on_by_itself_and_lets_go_when_it_is_ended(database: Database) -> None:
    teller = Teller(slow={"slow": asyncio.Event()})
    job = asyncio.create_task(teller.job(database).run())
    await put(database, "1", to="slow")
    await put(database, "2", to="quick")

    async with asyncio.timeout(20):
        while len(teller.messages) < 2 or "2" in await left(database):
            await asyncio.sleep(0.01)
    job.cancel()
    await asyncio.wait([job])
    teller.slow["slow"].set()
    for _ in range(20):
        await asyncio.sleep(0.005)  # nothing is left that would forget the row now

    assert list(await left(database)) == ["1"]


async def test_a_turn_without_a_database_ends_no_job(database: Database) -> None:
    teller = Teller()
    closed = await Database.open(database._dsn, connections_max=1)
    await closed.close()
    job = asyncio.create_task(teller.job(closed).run())

    with capture_logs() as lines:
        async with asyncio.timeout(20):
            while not lines:
                await asyncio.sleep(0.01)
    assert not job.done()
    job.cancel()

    assert (lines[0]["event"], lines[0]["problem"]) == ("outbox_turn_failed", "unavailable")
