"""A witness answers as C2SP tlog-witness says, and never signs two trees of one log."""

import asyncio
import itertools

import pytest

from certs.log_keys import LogSigner
from gateway.demo import cast
from gateway.flows.record_read import RecordReader, Search
from gateway.records.note import Checkpoint, parse_note, verify_cosignature, witness_name
from gateway.records.witness import parse_answer, parse_origin
from gateway.storage.witnessed import find_witnessed
from tests.e2e.adversary.rogue import Reply
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import LiarsLog, context_of, post
from tests.integration.core.world import WorldClock
from tests.integration.record_log import somebody_waits

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE
_slots = itertools.count(1)


@pytest.fixture
def log(network: Network, clock: WorldClock) -> LiarsLog:
    """A slot of the city that nothing was cosigned of yet."""
    return a_log(network, clock, slot=next(_slots))


def a_log(network: Network, clock: WorldClock, *, slot: int, owner: str = CITY) -> LiarsLog:
    trust = context_of(network, owner).trust
    return LiarsLog(origin=f"{cast.NETWORK}/{owner}/log/{slot}", signer=trust.keys.log, clock=clock)


def conflict(reply: Reply) -> tuple[int, str, bytes]:
    return reply.status, reply.headers["Content-Type"].partition(";")[0], reply.body


async def cosigned(network: Network, log: LiarsLog, old: int, size: int) -> None:
    assert (await post(network, CITY, CORE, log.request(old, size))).status == 200


@pytest.mark.parametrize("witness", [CORE, UNION])
async def test_a_first_checkpoint_gets_a_line_that_verifies(
    network: Network, log: LiarsLog, clock: WorldClock, witness: str
) -> None:
    reply = await post(network, CITY, witness, log.request(0, 3))

    assert reply.status == 200
    note = parse_note(log.note(3) + reply.body.decode())
    trust = context_of(network, CITY).trust
    name = witness_name(cast.NETWORK, witness)
    time = verify_cosignature(
        note, name=name, key=trust.directory.witness_key_at(witness, clock.now())
    )
    assert abs(time - clock.now().timestamp()) < 20
    (line,) = parse_answer(reply.body.decode())
    assert line.name == name


async def test_what_only_appends_is_cosigned_and_again_unchanged(
    network: Network, log: LiarsLog
) -> None:
    sizes = [(0, 3), (3, 3), (3, 300), (300, 700)]

    replies = [await post(network, CITY, CORE, log.request(*pair)) for pair in sizes]

    assert [reply.status for reply in replies] == [200] * 4


async def test_the_body_may_bear_any_media_type(network: Network, log: LiarsLog) -> None:
    body = log.request(0, 1)

    for content_type in ("", "text/plain; charset=utf-8", "application/x-whatever"):
        reply = await post(network, CITY, CORE, body, content_type=content_type)
        assert reply.status in {200, 409}


@pytest.mark.parametrize(("old", "size"), [(0, 9), (3, 9), (6, 9), (2, 3), (3, 3)])
async def test_another_old_size_than_the_witness_holds_is_a_conflict_that_tells_it(
    network: Network, log: LiarsLog, old: int, size: int
) -> None:
    await cosigned(network, log, 0, 5)

    reply = await post(network, CITY, CORE, log.request(old, size))

    assert conflict(reply) == (409, "text/x.tlog.size", b"5\n")


async def test_an_unknown_log_begins_at_zero(network: Network, log: LiarsLog) -> None:
    reply = await post(network, CITY, CORE, log.request(2, 5))

    assert conflict(reply) == (409, "text/x.tlog.size", b"0\n")


@pytest.mark.parametrize("mark", ["", "rewritten"])
async def test_a_proof_that_does_not_lead_from_what_was_cosigned_is_refused(
    network: Network, log: LiarsLog, mark: str
) -> None:
    await cosigned(network, log, 0, 5)
    honest = log.request(5, 9, mark=mark)
    forged = log.request(5, 9, mark=mark, proof_from=4)

    assert (await post(network, CITY, CORE, forged)).refusal == (
        *(422, "not-consistent"),
        "hash-count" if len(honest) != len(forged) else "inconsistent",
    )
    assert (await post(network, CITY, CORE, honest)).status == 200


async def test_a_tree_whose_past_was_changed_is_refused(network: Network, log: LiarsLog) -> None:
    reply = await post(network, CITY, CORE, log.request(0, 5, mark="rewritten"))
    assert reply.status == 200

    reply = await post(network, CITY, CORE, log.request(5, 9))

    assert reply.refusal == (422, "not-consistent", "inconsistent")


async def test_the_first_proof_is_empty(network: Network, log: LiarsLog) -> None:
    body = log.request(0, 5).replace("old 0\n", "old 0\n" + "A" * 43 + "=\n")

    assert (await post(network, CITY, CORE, body)).refusal == (422, "not-consistent", "hash-count")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad-witness-request"),
        (b"old 0\n\n", "bad-note"),
        (b"old 00\n\nx", "bad-size"),
        (b"\xff", "not-utf-8"),
        (b"old 0\n" + b"A\n" * 64 + b"\nx", "bad-witness-request"),
    ],
)
async def test_what_is_no_request_is_a_bad_one(network: Network, body: bytes, reason: str) -> None:
    assert (await post(network, CITY, CORE, body)).refusal == (400, "invalid-request", reason)


async def test_an_old_size_above_the_new_is_a_bad_request(network: Network, log: LiarsLog) -> None:
    body = log.request(3, 3).replace("old 3\n", "old 4\n")

    assert (await post(network, CITY, CORE, body)).refusal == (400, "invalid-request", "old-size")


async def test_a_body_beyond_the_longest_request_is_too_large(network: Network) -> None:
    assert (await post(network, CITY, CORE, b"o" * 70_000)).refusal[:2] == (413, "body-too-large")


async def test_nobody_has_the_log_of_another_cosigned(network: Network, log: LiarsLog) -> None:
    reply = await post(network, UNION, CORE, log.request(0, 3))

    assert reply.refusal == (403, "not-permitted", None)


async def test_a_checkpoint_without_one_of_its_log_lines_is_not_signed(
    network: Network, log: LiarsLog
) -> None:
    head, _, lines = log.request(0, 3).rpartition("\n\n")
    for line in lines.splitlines():
        body = f"{head}\n\n{line}\n"
        reply = await post(network, CITY, CORE, body)
        assert reply.refusal == (403, "checkpoint-not-signed", "log-line-missing")


async def test_a_checkpoint_under_other_keys_is_not_signed(network: Network, log: LiarsLog) -> None:
    log.signer = LogSigner.generate()

    reply = await post(network, CITY, CORE, log.request(0, 3))

    assert reply.refusal == (403, "checkpoint-not-signed", "log-line-missing")


@pytest.mark.parametrize(
    ("sender", "witness", "origin"),
    [
        (CITY, CORE, f"{cast.NETWORK}/{CITY}/log/48"),  # the directory lists 0 to 47
        (CITY, CORE, f"{cast.NETWORK}/stranger/log/0"),
        (CITY, CORE, f"{cast.NETWORK}/{CITY}/witness"),
        (CITY, CORE, f"another-network/{CITY}/log/0"),
        (UNION, CITY, f"{cast.NETWORK}/{UNION}/log/0"),  # it names the core alone
    ],
)
async def test_a_stream_that_does_not_name_this_witness_is_unknown(
    network: Network, clock: WorldClock, sender: str, witness: str, origin: str
) -> None:
    signer = context_of(network, sender).trust.keys.log
    log = LiarsLog(origin=origin, signer=signer, clock=clock)

    reply = await post(network, sender, witness, log.request(0, 3))

    assert reply.refusal == (404, "not-found", None)


async def test_a_second_tree_of_one_size_is_a_conflict_and_a_fork_with_one_entry(
    network: Network, log: LiarsLog
) -> None:
    await cosigned(network, log, 0, 5)
    before = await forks_of(network, log)

    for old in (0, 5, 5):
        reply = await post(network, CITY, CORE, log.request(old, 5, mark="another"))
        assert conflict(reply) == (409, "text/x.tlog.size", b"5\n")

    assert before == []
    ((held, other),) = await forks_of(network, log)
    checkpoints = [parse_note(text).checkpoint for text in (held, other)]
    assert checkpoints[0] == Checkpoint(log.origin, 5, log.tree(5).root())
    assert checkpoints[1] == Checkpoint(log.origin, 5, log.tree(5, mark="another").root())


async def forks_of(network: Network, log: LiarsLog) -> list[tuple[str, str]]:
    """Return both notes of every `fork-found` entry of the core about this log."""
    context = context_of(network, CORE)
    reader = RecordReader(
        database=context.database, organisation=CORE, keys=network.key_stores[CORE]
    )
    opened = await reader.search(Search(kinds=["fork-found"]))
    privates = [entry.private for entry in opened if entry.private is not None]
    return [
        (str(private["held_note"]), str(private["other_note"]))
        for private in privates
        if private["origin"] == log.origin
    ]


async def test_of_two_requests_at_once_one_is_told_what_the_other_left(
    network: Network, log: LiarsLog
) -> None:
    await cosigned(network, log, 0, 5)
    database = context_of(network, CORE).database

    # Both have compared with 5 when either stores: the row's lock holds them there.
    async with database.transaction() as other:
        await other.execute("SELECT FROM witnessed WHERE origin = $1 FOR UPDATE", log.origin)
        asked = [
            asyncio.create_task(post(network, CITY, CORE, log.request(5, 9))),
            asyncio.create_task(post(network, CITY, CORE, log.request(5, 9, mark="another"))),
        ]
        await somebody_waits(database, waiting=2)
    replies = [await task for task in asked]

    assert sorted(reply.status for reply in replies) == [200, 409]
    assert [reply.body for reply in replies if reply.status == 409] == [b"9\n"]
    async with database.read() as connection:
        held = await find_witnessed(connection, log.origin)
    assert held is not None
    signed = parse_note(held.note).checkpoint
    roots = [log.tree(9).root(), log.tree(9, mark="another").root()]
    assert signed.root == roots[[reply.status for reply in replies].index(200)]
    assert parse_origin(signed.origin).slot >= 1


async def test_a_witness_whose_clock_is_off_signs_no_time(network: Network, log: LiarsLog) -> None:
    trust = context_of(network, UNION).trust
    trust.is_clock_off = True

    reply = await post(network, CITY, UNION, log.request(0, 3))

    trust.is_clock_off = False
    assert reply.refusal[:2] == (503, "clock-off")
