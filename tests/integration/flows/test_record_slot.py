"""One slot has one writer; whatever nobody can know stops it; what is damaged is not written on."""

import asyncio
import threading
from contextlib import AsyncExitStack

import asyncpg
import pytest
from prometheus_client import REGISTRY

from certs.errors import CertsError
from certs.log_keys import LogSigner
from gateway.errors import ConfigurationError
from gateway.flows.record import (
    EntryRefusedError,
    NoFreeSlotError,
    Recorded,
    SlotStoppedError,
    record_writer,
)
from tests.conftest import Dsns
from tests.integration.record_log import (
    ORGANISATION,
    Clash,
    Mark,
    RecordLog,
    Veto,
    a_draft,
    recorded,
    somebody_waits,
)

_RELOAD = """
    CREATE OR REPLACE FUNCTION effect_veto(rows jsonb) RETURNS SETOF integer
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        RAISE WARNING 'not for you';
        RETURN QUERY SELECT generate_series(0, jsonb_array_length(rows) - 1);
    END $$;
"""


async def _as_superuser(dsns: Dsns, sql: str) -> None:
    connection = await asyncpg.connect(dsns.superuser)
    await connection.execute(sql)
    await connection.close()


async def test_each_writer_takes_a_slot_of_its_own(record_log: RecordLog) -> None:
    async with record_log.writer() as first, record_log.writer() as second:
        assert {first.slot, second.slot} == {0, 1}


async def test_without_a_free_slot_there_is_no_writer(record_log: RecordLog) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(record_log.writer())
        await stack.enter_async_context(record_log.writer())

        with pytest.raises(NoFreeSlotError):
            await stack.enter_async_context(record_log.writer())


async def test_replicated_durability_needs_a_standby_that_is_waited_for(
    record_log: RecordLog,
) -> None:
    with pytest.raises(ConfigurationError, match="no synchronous standby"):
        async with record_log.writer(is_replicated=True):
            pass


async def test_a_slot_is_free_again_after_its_writer_and_goes_on_where_it_was(
    record_log: RecordLog,
) -> None:
    indexes = []
    for _ in range(3):
        async with record_log.writer() as writer:
            outcomes = await writer.append([a_draft() for _ in range(100)], source="a")
            indexes += [recorded(outcome).index for outcome in outcomes]

    assert indexes == list(range(1, 301))
    assert len(await record_log.leaves(0)) == 301


async def test_any_worker_proves_what_another_recorded(record_log: RecordLog) -> None:
    async with record_log.writer() as first, record_log.writer() as second:
        outcomes = await first.append([a_draft() for _ in range(300)], source="a")
        mine = await second.append([a_draft()], source="a")
        ids = [recorded(outcome).entry_id for outcome in (*outcomes[:2], *outcomes[-2:], *mine)]
        found = await second.find(ids)
        groups = await second.statement_groups([found[entry_id] for entry_id in ids])

    assert [slot for slot, _ in groups] == [0, 1]
    proved = [
        statement.entry.public.id for _, group in groups for statement in record_log.verify(group)
    ]
    assert proved == ids


async def test_a_writer_that_lost_its_slot_commits_nothing_and_stops(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await writer.append([a_draft()], source="a")
        # As a second holder would, had the advisory lock been lost on the way.
        await _as_superuser(dsns, "UPDATE log_slots SET epoch = epoch + 1 WHERE slot = 0")

        with pytest.raises(SlotStoppedError):
            await writer.append([a_draft(Mark(mark="late"))], source="a")
        with pytest.raises(NoFreeSlotError):
            await writer.append([a_draft()], source="a")
        await writer.wait_lost()

    assert len(await record_log.leaves(0)) == 2
    async with record_log.database.read() as connection:
        assert not await connection.fetchval("SELECT count(*) FROM marks")


async def test_a_lost_connection_stops_the_slot_and_whoever_waits_is_told(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer, record_log.database.transaction() as other:
        # The first batch waits for this row; the second call waits behind it in the queue.
        await other.execute("INSERT INTO marks (key) VALUES ('held')")
        first = asyncio.create_task(writer.append([a_draft(Mark(mark="held"))], source="a"))
        await somebody_waits(record_log.database)
        second = asyncio.create_task(writer.append([a_draft()], source="b"))
        await asyncio.sleep(0)
        await _as_superuser(
            dsns,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sekisho-writer' AND datname = current_database()",
        )
        for waiting in (first, second):
            with pytest.raises(SlotStoppedError):
                await waiting

    assert len(await record_log.leaves(0)) == 1


async def test_a_connection_lost_while_nothing_is_written_stops_the_slot_at_once(
    record_log: RecordLog, dsns: Dsns
) -> None:
    stopped_before = REGISTRY.get_sample_value("sekisho_record_slots_stopped_total")
    async with record_log.writer() as writer:
        (kept,) = await writer.append([a_draft(Mark(mark="kept"))], source="a")

        await _as_superuser(
            dsns,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sekisho-writer' AND datname = current_database()",
        )
        async with asyncio.timeout(5):
            await writer.wait_lost()
            await writer.wait_taken()
        (after,) = await writer.append([a_draft()], source="a")

    assert isinstance(kept, Recorded)
    assert recorded(after).index == 2
    assert len(await record_log.leaves(0)) == 3
    # Nobody's result is unknown: there is nothing to find out.
    assert REGISTRY.get_sample_value("sekisho_record_slots_stopped_total") == stopped_before


async def test_a_connection_lost_while_a_batch_is_signed_takes_its_answers_from_nobody(
    record_log: RecordLog, dsns: Dsns
) -> None:
    signer = _SlowSigner(record_log.signer)
    async with record_writer(
        database=record_log.database,
        organisation=ORGANISATION,
        marks=record_log.marks,
        signer=signer,
        keys=record_log.keys,
        clock=record_log.clock,
    ) as writer:
        append = asyncio.create_task(writer.append([a_draft()], source="a"))
        await asyncio.to_thread(signer.is_asked.wait, 5)
        await _as_superuser(
            dsns,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sekisho-writer' AND datname = current_database()",
        )
        is_early = append.done()
        signer.may_sign.set()
        (outcome,) = await append
        async with asyncio.timeout(5):
            await writer.wait_lost()

    assert not is_early
    assert isinstance(outcome, Recorded)


async def test_a_warning_at_commit_stops_the_slot(record_log: RecordLog, dsns: Dsns) -> None:
    owner = await asyncpg.connect(dsns.owner)
    await owner.execute(_RELOAD)
    await owner.close()
    async with record_log.writer() as writer:
        with pytest.raises(SlotStoppedError):
            await writer.append([a_draft(Veto(mark="x"))], source="a")

    # It was committed, but nobody was told and nothing was signed; the next writer goes on.
    async with record_log.writer() as writer:
        (outcome,) = await writer.append([a_draft()], source="a")
    assert recorded(outcome).index == 2


async def test_a_frozen_slot_is_passed_over(record_log: RecordLog, dsns: Dsns) -> None:
    await _as_superuser(dsns, "UPDATE log_slots SET is_frozen = true WHERE slot = 0")

    async with record_log.writer() as writer:
        assert writer.slot == 1


async def test_a_data_error_costs_only_its_own_entry(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        outcomes = await writer.append(
            [a_draft(Clash(mark="x")), a_draft(Clash(mark="bad")), a_draft(Mark(mark="y"))],
            source="a",
        )
        groups = [await writer.statements([recorded(outcomes[n])]) for n in (0, 2)]

    assert [type(outcome) for outcome in outcomes] == [Recorded, EntryRefusedError, Recorded]
    for group in groups:
        record_log.verify(group)
    assert len(await record_log.leaves(0)) == 3


async def test_a_deadlock_is_tried_again(record_log: RecordLog, dsns: Dsns) -> None:
    # Only the writer is made afterwards, so only it looks for deadlocks so soon.
    await _as_superuser(
        dsns,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''300ms''',"
        " current_database()); END $$",
    )
    async with record_log.writer() as writer:
        async with record_log.database.transaction() as other:
            await other.execute("INSERT INTO marks (key) VALUES ('both')")
            append = asyncio.create_task(
                writer.append([a_draft(Mark(mark="both")), a_draft()], source="a")
            )
            await somebody_waits(record_log.database)
            # The writer holds the gate shared and waits for our row; now we wait for its gate.
            await other.execute("SELECT gate_take_exclusive()")
        outcomes = await append

    assert [type(outcome).__name__ for outcome in outcomes] == ["EffectRefusedError", "Recorded"]


class _SlowSigner:
    """A key that signs when it is let."""

    def __init__(self, signer: LogSigner) -> None:
        self.public = signer.public
        self._signer = signer
        self.is_asked = threading.Event()
        self.may_sign = threading.Event()

    def sign_ed25519(self, message: bytes) -> bytes:
        self.is_asked.set()
        self.may_sign.wait(5)
        return self._signer.sign_ed25519(message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        return self._signer.sign_mldsa44(message)


class _BrokenSigner:
    """A key that went away, as one in a hardware module may."""

    def __init__(self, signer: LogSigner) -> None:
        self.public = signer.public

    def sign_ed25519(self, message: bytes) -> bytes:
        raise CertsError(f"no key for {len(message)} bytes")

    def sign_mldsa44(self, message: bytes) -> bytes:
        raise CertsError(f"no key for {len(message)} bytes")


async def test_what_cannot_be_signed_is_not_released_and_the_next_writer_signs_it(
    record_log: RecordLog,
) -> None:
    async with record_writer(
        database=record_log.database,
        organisation=ORGANISATION,
        marks=record_log.marks,
        signer=_BrokenSigner(record_log.signer),
        keys=record_log.keys,
        clock=record_log.clock,
    ) as writer:
        draft = a_draft(Mark(mark="unsigned"))
        with pytest.raises(SlotStoppedError):
            await writer.append([draft], source="a")

    async with record_log.writer() as writer:
        found = await writer.find([draft.entry_id])
        (statement,) = record_log.verify(await writer.statements([found[draft.entry_id]]))
    assert statement.index == 1
