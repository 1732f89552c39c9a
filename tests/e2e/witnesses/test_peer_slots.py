"""Tiles are given to those who may have them, and a log that shows two trees is found by them."""

import hashlib
from datetime import datetime, timedelta

import aiohttp
import pytest

from certs.tls import network_client_context
from gateway.demo import cast
from gateway.errors import SekishoError
from gateway.flows import checkpoints
from gateway.flows.checkpoints import Checkpoints
from gateway.flows.context import Context
from gateway.flows.forks import Forks
from gateway.flows.peer_slots import DAY, PeerSlots
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.record_types import Draft
from gateway.http.log_routes import MINIMUM_INDEX
from gateway.records.note import log_origin, parse_note, verify_checkpoint
from gateway.records.tiles import Tile, node_source
from gateway.records.tree import root
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_evidence import an_exchange
from tests.e2e.witnesses.scene import (
    LiarsLog,
    context_of,
    cosign_slot,
    own_slot,
    write_entry,
)
from tests.e2e.witnesses.test_cosigning import make_ready
from tests.integration.core.world import WorldClock

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE


@pytest.fixture
def city(network: Network) -> Context:
    return context_of(network, CITY)


@pytest.fixture
def core(network: Network) -> Context:
    return context_of(network, CORE)


def path_of(name: str, slot: int, rest: str) -> str:
    origin = log_origin(cast.NETWORK, name, slot)
    return f"/{hashlib.sha256(origin.encode()).hexdigest()}/{rest}"


async def given(asker: Context, name: str, slot: int, rest: str) -> bytes | str:
    """Return what is given at a path, or the problem."""
    try:
        return (await asker.peers.get(name, path_of(name, slot, rest))).body
    except SekishoError as error:
        return str(error.members["reason"])


async def test_tiles_lead_to_the_root_of_the_checkpoint(city: Context, core: Context) -> None:
    slot = own_slot(city)
    drafts = [Draft(kind="records-read", members={}, private={"n": n}) for n in range(256)]
    await city.writer.append(drafts, source="test")
    await cosign_slot(city, own_slot(city))
    raw = await given(core, CITY, slot, "checkpoint")
    assert isinstance(raw, bytes)
    note = parse_note(raw.decode())
    size = note.checkpoint.size
    full, rest = divmod(size, 256)

    tiles = {}
    for level, number, width in ((0, 0, 256), (0, full, rest), (1, 0, full)):
        partial = "" if width == 256 else f".p/{width}"
        tile = await given(core, CITY, slot, f"tile/{level}/{number:03}{partial}")
        assert isinstance(tile, bytes), tile
        assert len(tile) == 32 * width
        tiles[level, number] = Tile.parse(tile)

    node = node_source(lambda level, number: tiles.get((level, number)))
    assert root(size, node) == note.checkpoint.root
    # A narrower one of what has grown since is still given, and the same.
    assert await given(core, CITY, slot, "tile/0/000.p/3") == tiles[0, 0].hashes[:96]


async def test_a_checkpoint_comes_with_the_minimum_index_of_its_slot(
    city: Context, core: Context
) -> None:
    origin = hashlib.sha256(log_origin(cast.NETWORK, CITY, own_slot(city)).encode()).hexdigest()
    tls = network_client_context(
        core.trust.keys.network_certificate, core.trust.directory.certificates(CITY)
    )
    url = f"{core.trust.directory.organisation(CITY).url}/{origin}/checkpoint"

    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as response:
        assert (response.status, response.headers[MINIMUM_INDEX]) == (200, "0")


async def test_the_checkpoint_that_is_shown_is_the_cosigned_one(
    city: Context, core: Context, clock: WorldClock
) -> None:
    recorded = await write_entry(city)
    await cosign_slot(city, own_slot(city))
    await write_entry(city)

    raw = await given(core, CITY, recorded.slot, "checkpoint")

    assert isinstance(raw, bytes)
    note = parse_note(raw.decode())
    keys = core.trust.directory.log_keys_at(CITY, clock.now())
    verify_checkpoint(note, origin=note.checkpoint.origin, keys=keys)
    assert note.checkpoint.size == recorded.index + 1
    assert {line.name.split("/")[1] for line in note.lines} == {CITY, CORE, UNION}


@pytest.mark.parametrize(
    "rest",
    [
        *("tile/0/999", "tile/0/000.p/256", "tile/0/0", "tile/9/000", "tile/0/000.p/0"),
        *("tile/entries/000", "tile/0/x000/000", "tile/0/000/"),
    ],
)
async def test_no_other_path_is_a_tile(city: Context, core: Context, rest: str) -> None:
    assert await given(core, CITY, own_slot(city), rest) == "not-found"


async def test_tiles_are_for_those_who_have_something_of_the_slot(
    city: Context, network: Network
) -> None:
    union = context_of(network, UNION)
    await write_entry(union)

    # The city holds nothing of the union's seventh slot and witnesses none of them.
    assert await given(city, UNION, 7, "tile/0/000.p/1") == "not-found"
    assert await given(city, UNION, 7, "checkpoint") == "not-found"


async def test_every_day_a_peers_slot_is_proved_by_what_its_witnesses_saw(
    network: Network, people: People
) -> None:
    for name in (CORE, CITY, UNION):
        await make_ready(context_of(network, name))
    await an_exchange(network, people)
    city = context_of(network, CITY)
    await write_entry(city)
    await cosign_slot(city, own_slot(city))
    await cosign_slot(context_of(network, CORE), 0)
    union = context_of(network, UNION)
    slots = PeerSlots(union, a_forks(union))

    await slots.turn()
    first = await proved(union)
    await slots.turn()
    same = await proved(union)
    assert await next_in(union) > DAY - timedelta(minutes=1)
    await let_be_due(union)
    await write_entry(city)
    await cosign_slot(city, own_slot(city))
    await slots.turn()

    assert {name for name in (CITY, CORE) if f"/{name}/" in "".join(first)} == {CITY, CORE}
    assert same == first
    assert all(second > first[origin] for origin, second in (await proved(union)).items())


async def let_be_due(context: Context) -> None:
    """Make it tomorrow, for the proofs of peers' slots."""
    async with context.database.read() as connection:
        await connection.execute("UPDATE peer_proofs SET next_at = $1", context.clock.now())


async def next_in(context: Context) -> timedelta:
    """Return how long it is until the next proof."""
    async with context.database.read() as connection:
        first: datetime = await connection.fetchval("SELECT min(next_at) FROM peer_proofs")
    return first - context.clock.now()


async def proved(context: Context) -> dict[str, datetime]:
    async with context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT origin, proved_at FROM peer_proofs WHERE proved_at IS NOT NULL"
        )
    return {row["origin"]: row["proved_at"] for row in rows}


def a_forks(context: Context) -> Forks:
    return Forks(context.database, context.clock, context.writer)


async def shown(context: Context, log: LiarsLog, size: int) -> str:
    """Let a party be shown a checkpoint of a tree that the log's owner made up."""
    note = log.note(size, mark="shown to one party alone")
    keys = log.signer.public
    verified = verify_checkpoint(note, origin=log.origin, keys=keys)
    context.trust.verified_notes.clear()
    context.trust.verified_notes[note] = verified
    return note


@pytest.fixture
async def two_faced(city: Context, core: Context, clock: WorldClock) -> LiarsLog:
    """The city's own slot, cosigned, whose keys sign something else for the core."""
    slot = own_slot(city)
    await write_entry(city)
    await cosign_slot(city, own_slot(city))
    await let_be_due(core)
    origin = log_origin(cast.NETWORK, CITY, slot)
    return LiarsLog(origin=origin, signer=city.trust.keys.log, clock=clock)


async def test_a_log_that_shows_two_trees_is_found_and_recorded_once(
    city: Context, core: Context, two_faced: LiarsLog, network: Network
) -> None:
    slots = PeerSlots(core, a_forks(core))
    async with core.database.read() as connection:
        held = await connection.fetchval(
            "SELECT max(size) FROM peer_slots WHERE origin = $1", two_faced.origin
        )
    size = (held or 1) + 1
    for _ in range(2):
        await write_entry(city)
    await cosign_slot(city, own_slot(city))
    before = await entries(network, core, two_faced.origin)

    lie = await shown(core, two_faced, size)
    await slots.turn()
    await let_be_due(core)
    await slots.turn()

    found = [one for one in await entries(network, core, two_faced.origin) if one not in before]
    assert [held_note for held_note, _ in found] == [lie]
    other = parse_note(found[0][1])
    assert other.checkpoint.size > size
    assert any(line.name.endswith("/witness") for line in other.lines)


async def entries(network: Network, context: Context, origin: str) -> list[tuple[str, str]]:
    """Return both notes of every `fork-found` entry about a stream."""
    reader = RecordReader(
        database=context.database,
        organisation=context.trust.organisation,
        keys=network.key_stores[context.trust.organisation],
    )
    opened = await reader.search(Search(kinds=["fork-found"]))
    privates = [entry.private for entry in opened if entry.private is not None]
    return [
        (str(private["held_note"]), str(private["other_note"]))
        for private in privates
        if private["origin"] == origin
    ]


@pytest.mark.parametrize("fault", ["not-cosigned", "junk"])
async def test_what_cannot_be_proved_is_no_fork(
    city: Context,
    core: Context,
    two_faced: LiarsLog,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    before = await all_entries(core)
    async with core.database.read() as connection:
        await connection.execute("UPDATE peer_proofs SET proved_at = NULL")
    await city_statement(city, core, two_faced)
    await write_entry(city)
    await cosign_slot(city, own_slot(city))

    async def no_lines(*_: object) -> list[object]:
        return []

    async def junk(_: Checkpoints, _hash: str, path: str, _sender: str) -> bytes:
        return bytes(32 * int(path.rpartition("/")[2] if ".p/" in path else 256))

    if fault == "junk":
        monkeypatch.setattr(Checkpoints, "tile", junk)
    else:
        monkeypatch.setattr(checkpoints, "newest_cosignatures", no_lines)
    await PeerSlots(core, a_forks(core)).turn()

    assert two_faced.origin not in await proved(core)
    assert await all_entries(core) == before


async def all_entries(context: Context) -> int:
    async with context.database.read() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE kind = 'fork-found'"
        )
        return count


async def city_statement(city: Context, core: Context, log: LiarsLog) -> None:
    """Let the core have been shown the city's honest checkpoint, the largest so far."""
    note = await city.writer.checkpoint(own_slot(city))
    core.trust.verified_notes.clear()
    core.trust.verified_notes[note] = verify_checkpoint(
        note, origin=log.origin, keys=log.signer.public
    )
