"""What cannot be stored is refused before it queues, and costs nobody else a batch."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.errors import DrainingError, QueueFullError, SekishoError
from gateway.flows.record import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.flows.record_drafts import CALL_ENTRIES_MAX
from gateway.flows.record_queue import FairQueue
from gateway.records.errors import RecordsError
from gateway.storage.effects import UnstorableError
from tests.integration.record_log import (
    Mark,
    RecordLog,
    Veto,
    a_draft,
    busy,
    recorded,
)

_NUL = "before\0after"
_LONE = "before\ud800after"


_SPOILED: "dict[str, Callable[[str], Draft]]" = {
    "effect": lambda text: a_draft(Mark(mark=text)),
    "private part": lambda text: replace(a_draft(), private={"reason": text}),
    "deep in it": lambda text: replace(a_draft(), private={"deep": [{"reason": text}]}),
    "member": lambda text: replace(
        a_draft(), kind="refusal", members={"reason": "x", "department": text}
    ),
    "outcome": lambda text: a_draft(search=SearchColumns(outcome=text)),
    "counterparty": lambda text: a_draft(search=SearchColumns(counterparty=text)),
    "procedure": lambda text: a_draft(search=SearchColumns(procedure=text)),
    "information": lambda text: a_draft(search=SearchColumns(information=text)),
    "permit id": lambda text: a_draft(search=SearchColumns(permit_id=text)),
    "staff": lambda text: a_draft(search=SearchColumns(staff=text)),
    "system": lambda text: a_draft(search=SearchColumns(system=text)),
    "entry id": lambda text: replace(a_draft(), entry_id=text),
    "kind": lambda text: replace(a_draft(), kind=text),
}


@pytest.mark.parametrize("text", [_NUL, _LONE], ids=["nul", "lone surrogate"])
async def test_text_that_no_database_holds_is_refused_before_it_queues(
    record_log: RecordLog, text: str
) -> None:
    async with record_log.writer() as writer:
        for place, spoiled in _SPOILED.items():
            with pytest.raises((UnstorableError, RecordsError)) as refused:
                await writer.append([a_draft(), spoiled(text)], source=place)
            assert "before" not in str(refused.value)
            assert writer.waiting == 0
        (outcome,) = await writer.append([a_draft()], source="a")

    assert recorded(outcome).index == 1


_UNFIT = {
    "large effect": a_draft(Mark(mark="x", body=b"x" * (17 * 1024 * 1024))),
    "one key twice": a_draft(Mark(mark="x"), Mark(mark="x")),
    "long column": a_draft(search=SearchColumns(outcome="x" * 256)),
    "upper-case id": a_draft(search=SearchColumns(permit_id="F" * 32)),
    "large private part": replace(a_draft(), private={"reason": "x" * 600_000}),
    "own salt": replace(a_draft(), private={"salt": "mine"}),
    "own time": replace(a_draft(), members={"time": "2026-01-01T00:00:00.000Z"}),
    "own slot": replace(a_draft(), members={"slot": 5}),
    "unknown kind": replace(a_draft(), kind="no-such-kind"),
    "short id": replace(a_draft(), entry_id="f" * 31),
}


async def test_what_does_not_fit_is_refused_before_it_queues(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        for place, draft in _UNFIT.items():
            with pytest.raises((UnstorableError, RecordsError)):
                await writer.append([draft], source=place)
            assert writer.waiting == 0

    assert len(await record_log.leaves(0)) == 1


async def test_an_effect_the_schema_does_not_know_is_refused(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        assert writer._run is not None
        writer._run._tenancy = replace(writer._run._tenancy, kinds=frozenset())
        with pytest.raises(UnstorableError, match="effect veto: the schema has no such function"):
            await writer.append([a_draft(Veto(mark="x"))], source="a")


async def test_a_call_has_between_one_and_512_drafts(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        for count in (0, CALL_ENTRIES_MAX + 1):
            with pytest.raises(UnstorableError, match="1 to 512 drafts a call"):
                await writer.append([a_draft() for _ in range(count)], source="a")


async def test_the_second_use_of_a_key_in_one_call_is_refused(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        outcomes = await writer.append(
            [a_draft(Mark(mark="x")), a_draft(Mark(mark="x"))], source="a"
        )

    assert [type(outcome) for outcome in outcomes] == [Recorded, EffectRefusedError]


async def test_two_calls_with_one_key_are_decided_by_the_database(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        found = await asyncio.gather(
            *(writer.append([a_draft(Mark(mark="x"))], source=name) for name in "abc")
        )

    assert sorted(type(outcome).__name__ for (outcome,) in found) == [
        "EffectRefusedError",
        "EffectRefusedError",
        "Recorded",
    ]


async def test_a_full_queue_refuses_and_keeps_what_it_has(record_log: RecordLog) -> None:
    queue = FairQueue(queue_entries_max=4)
    async with record_log.writer(queue=queue) as writer:
        async with busy(record_log, writer):
            calls = [
                asyncio.create_task(writer.append([a_draft(), a_draft()], source=name))
                for name in ("a", "b", "c")
            ]
            await asyncio.sleep(0)
            with pytest.raises(QueueFullError):
                await writer.append([a_draft()], source="d")
        found = await asyncio.gather(*calls, return_exceptions=True)

    assert [isinstance(one, QueueFullError) for one in found] == [False, False, True]


async def test_a_caller_who_leaves_cancels_nothing(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        leaving = asyncio.create_task(writer.append([a_draft(Mark(mark="left"))], source="a"))
        staying = asyncio.create_task(writer.append([a_draft()], source="b"))
        await asyncio.sleep(0)
        leaving.cancel()
        recorded((await staying)[0])

    assert leaving.cancelled()
    assert len(await record_log.leaves(0)) == 3


async def test_a_drained_writer_records_what_waits_and_takes_nothing_new(
    record_log: RecordLog,
) -> None:
    async with record_log.writer() as writer:
        waiting = asyncio.create_task(writer.append([a_draft()], source="a"))
        await asyncio.sleep(0)
        writer.drain()
        with pytest.raises(DrainingError) as refused:
            await writer.append([a_draft()], source="a")

    assert isinstance(refused.value, SekishoError)
    recorded((await waiting)[0])
