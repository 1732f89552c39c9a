"""What was recorded lately is proved from memory, whichever batches it was in."""

from tests.integration.record_log import RecordLog, a_draft, recorded


async def test_entries_of_several_batches_travel_under_one_checkpoint_without_a_read(
    record_log: RecordLog,
) -> None:
    async with record_log.writer() as writer:
        entries = [
            recorded(outcome)
            for _ in range(3)
            for outcome in await writer.append([a_draft(), a_draft()], source="a")
        ]
        # A closed pool answers no question: whatever is proved now is proved from memory.
        await record_log.database.pool.close()

        ((slot, group),) = await writer.statement_groups(entries)

    assert slot == entries[0].slot
    assert group.indexes == tuple(entry.index for entry in entries)
    newest = entries[-1].under
    assert newest is not None
    assert group.checkpoint == newest.checkpoint
    assert [s.entry.raw for s in record_log.verify(group)] == [e.entry for e in entries]


async def test_entries_far_to_the_left_are_proved_from_tiles(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        first = last = recorded((await writer.append([a_draft()], source="a"))[0])
        for _ in range(3):
            last = recorded((await writer.append([a_draft() for _ in range(300)], source="a"))[-1])

        ((_, group),) = await writer.statement_groups([first, last])

    assert [s.entry.raw for s in record_log.verify(group)] == [first.entry, last.entry]
