"""Statements: equal or refuse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from certs.errors import DirectoryError
from certs.log_keys import LogPublicKeys
from gateway.records import tree
from gateway.records.errors import RecordsError
from gateway.records.note import sign_checkpoint
from gateway.records.statements import (
    Statement,
    StatementGroup,
    VerifiedNotes,
    posix_instant,
    verify_group,
)
from tests.unit.records import made

INDEXES = (2, 5, 6)


@pytest.fixture(scope="module")
def log() -> made.MadeLog:
    log = made.MadeLog(slot=3)
    log.grow(9)
    return log


@pytest.fixture(scope="module")
def group(log: made.MadeLog) -> StatementGroup:
    return group_of(log)


def group_of(log: made.MadeLog, indexes: tuple[int, ...] = INDEXES) -> StatementGroup:
    return StatementGroup.build(
        checkpoint=log.note(),
        size=log.size,
        entries={index: log.entries[index].raw for index in reversed(indexes)},
        node=log.state.node,
    )


def verify(
    group: StatementGroup,
    *,
    organisation: str = made.ORGANISATION,
    network: str = made.NETWORK,
    log_keys: Callable[[datetime], LogPublicKeys] | None = None,
    slots: int = 8,
    verified: VerifiedNotes | None = None,
) -> list[Statement]:
    return verify_group(
        group,
        organisation=organisation,
        network=network,
        log_keys=log_keys or (lambda _moment: made.a_signer().public),
        slots=slots,
        verified=verified,
    )


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(RecordsError) as caught:
        call()
    return caught.value.reason


def test_a_group_gives_its_statements_in_order(log: made.MadeLog, group: StatementGroup) -> None:
    statements = verify(group)

    assert [statement.index for statement in statements] == list(INDEXES)
    for statement in statements:
        entry = log.entries[statement.index]
        assert statement.entry.raw == entry.raw
        assert statement.note == group.checkpoint
        path = statement.audit_path()
        assert path == tree.audit_path(log.size, statement.index, log.state.node)
        tree.verify_inclusion(
            size=log.size,
            index=statement.index,
            leaf=entry.leaf_hash,
            path=path,
            expected_root=statement.checkpoint.checkpoint.root,
        )


def test_the_keys_are_those_of_the_time_of_signing(log: made.MadeLog) -> None:
    asked: list[datetime] = []

    def log_keys(moment: datetime) -> LogPublicKeys:
        asked.append(moment)
        return made.a_signer().public

    verify(group_of(log), log_keys=log_keys)

    assert asked == [log.time_of(log.size - 1)]


def test_a_time_without_keys_is_refused(group: StatementGroup) -> None:
    def log_keys(_moment: datetime) -> LogPublicKeys:
        raise DirectoryError("no-key-set", "directory")

    assert reason(lambda: verify(group, log_keys=log_keys)) == "no-log-keys"


def test_every_name_must_be_the_same_one(group: StatementGroup) -> None:
    assert reason(lambda: verify(group, organisation="gunma-union")) == "wrong-organisation"
    assert reason(lambda: verify(group, network="othernet")) == "wrong-origin"
    other = made.a_signer("other").public
    assert reason(lambda: verify(group, log_keys=lambda _moment: other)) == "log-line-missing"
    assert reason(lambda: verify(group, slots=3)) == "wrong-slot"


def test_entries_of_two_slots_are_no_group(group: StatementGroup) -> None:
    stranger = made.an_entry(slot=4).raw
    mixed = replace(group, entries=(*group.entries[:2], stranger))

    assert reason(lambda: verify(mixed)) == "wrong-slot"


def test_the_checkpoint_must_be_of_the_slot_the_entries_name(log: made.MadeLog) -> None:
    elsewhere = made.MadeLog(slot=4, entries=log.entries, state=log.state)

    assert reason(lambda: verify(group_of(elsewhere))) == "wrong-origin"


def test_an_entry_of_another_organisation_in_our_log_is_refused() -> None:
    log = made.MadeLog(organisation="gunma-union")
    log.grow(3)
    log.organisation = made.ORGANISATION

    assert reason(lambda: verify(group_of(log, (1, 2)))) == "wrong-organisation"


def test_changed_entries_hashes_and_indexes_are_not_included(group: StatementGroup) -> None:
    swapped = replace(group, entries=(group.entries[1], group.entries[0], group.entries[2]))
    flipped = bytes([group.hashes[0][0] ^ 1]) + group.hashes[0][1:]

    assert reason(lambda: verify(swapped)) == "not-included"
    assert reason(lambda: verify(replace(group, hashes=(flipped, *group.hashes[1:])))) == (
        "not-included"
    )
    assert reason(lambda: verify(replace(group, hashes=group.hashes[1:]))) == "hash-count"
    assert reason(lambda: verify(replace(group, indexes=(5, 2, 6)))) == "indexes-not-ascending"
    assert reason(lambda: verify(replace(group, indexes=(2, 5)))) == "hash-count"
    assert reason(lambda: verify(replace(group, indexes=(2, 5, 9)))) == "bad-index"


def test_empty_and_oversized_groups_are_refused(group: StatementGroup) -> None:
    assert reason(lambda: verify(replace(group, entries=()))) == "bad-group"
    many = replace(group, entries=group.entries * 86)
    assert len(many.entries) > 256
    assert reason(lambda: verify(many)) == "bad-group"


def test_a_known_note_costs_no_second_signature(group: StatementGroup) -> None:
    cache = VerifiedNotes()

    first = verify(group, verified=cache)
    again = verify(group, verified=cache)

    assert again[0].checkpoint is first[0].checkpoint
    assert list(cache) == [group.checkpoint]


def test_a_cached_note_does_not_outlive_its_key_or_origin(group: StatementGroup) -> None:
    cache = VerifiedNotes()
    verify(group, verified=cache)
    other = made.a_signer("other").public
    elsewhere = made.MadeLog(slot=4)
    elsewhere.grow(9)

    assert (
        reason(lambda: verify(group, log_keys=lambda _moment: other, verified=cache))
        == "log-line-missing"
    )
    moved = replace(group_of(elsewhere), checkpoint=group.checkpoint)
    assert reason(lambda: verify(moved, verified=cache)) == "wrong-origin"


def test_the_cache_is_bounded_and_forgets_the_oldest(log: made.MadeLog) -> None:
    cache = VerifiedNotes(limit=2)
    checkpoint = verify(group_of(log))[0].checkpoint

    for name in ("a", "b", "c"):
        cache[name] = checkpoint

    assert list(cache) == ["b", "c"]


def test_a_time_that_no_calendar_holds_is_refused(log: made.MadeLog) -> None:
    checkpoint = verify(group_of(log))[0].checkpoint.checkpoint
    note = sign_checkpoint(checkpoint, log.signer, time=2**62)

    assert reason(lambda: verify(replace(group_of(log), checkpoint=note))) == "bad-time"
    assert posix_instant(0) == datetime(1970, 1, 1, tzinfo=UTC)
