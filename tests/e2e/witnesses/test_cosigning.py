"""A log has itself cosigned: by all who can, by nobody who lies, and soon enough or nothing new."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from certs.log_keys import WitnessKey
from gateway.demo import cast
from gateway.errors import UnavailableError
from gateway.flows import witnessing
from gateway.flows.context import Context
from gateway.flows.cosigning import Cosigning
from gateway.flows.record_marks import Mark
from gateway.flows.record_takeover import Elsewhere
from gateway.flows.witness_calls import WitnessCalls
from gateway.flows.witness_state import NotCosignedError, WitnessLagError
from gateway.jobs.witnesses import WitnessJob
from gateway.outbound.errors import PeerUnavailableError
from gateway.outbound.peers import Route
from gateway.records.note import (
    Checkpoint,
    SignatureLine,
    cosign,
    log_origin,
    parse_note,
    witness_name,
)
from gateway.storage.cosigned import Cosigned
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.adversary.test_once import told
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order
from tests.e2e.witnesses.scene import (
    LiarsLog,
    context_of,
    cosign_all,
    cosigned_of,
    end_lease,
    forget_cosignatures,
    own_slot,
    post,
    sizes_of,
    unwitnessed,
    write_entry,
)
from tests.integration.core.world import WorldClock

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE
MINUTE = timedelta(minutes=1)


@pytest.fixture
def core(network: Network) -> Context:
    return context_of(network, CORE)


def reached(cosigned: dict[tuple[int, str], int], sizes: dict[int, int], *witnesses: str) -> bool:
    """Tell whether these witnesses cosigned each slot up to this size; it may have grown since."""
    return all(cosigned[slot, name] >= size for slot, size in sizes.items() for name in witnesses)


async def test_every_slot_goes_to_every_witness_and_again_when_it_has_grown(core: Context) -> None:
    before = await sizes_of(core)
    await cosign_all(core)
    first = await cosigned_of(core)
    recorded = await write_entry(core)
    after = await sizes_of(core)

    await cosign_all(core)

    assert set(before) == set(range(8))
    assert reached(first, before, CITY, UNION)
    assert after[recorded.slot] > before[recorded.slot]
    assert reached(await cosigned_of(core), after, CITY, UNION)
    assert core.witnesses.obstacles(core.clock.now()) == ()


async def test_one_worker_at_a_time_asks_the_witnesses(core: Context) -> None:
    one, other = WitnessJob(core), WitnessJob(core)
    await end_lease(core)
    await one.turn()
    await one.settle()
    recorded = await write_entry(core)
    size = recorded.index + 1

    await other.turn()
    await other.settle()
    assert (await cosigned_of(core))[recorded.slot, CITY] < size

    await end_lease(core)  # as when the first one is gone for ten seconds
    await other.turn()
    await other.settle()
    assert (await cosigned_of(core))[recorded.slot, CITY] >= size
    await one.turn()
    assert not one._under_way


@pytest.mark.parametrize("believed", [0, 1])
async def test_what_a_witness_says_it_holds_is_taken_up(core: Context, believed: int) -> None:
    """Another worker was there before, or our database knows less than it signed."""
    await write_entry(core)
    await cosign_all(core)
    recorded = await write_entry(core)

    await Cosigning(core).visit(CITY, {recorded.slot: Cosigned(size=believed)})

    assert (await cosigned_of(core))[recorded.slot, CITY] > recorded.index


@pytest.fixture
def unreachable(core: Context, monkeypatch: pytest.MonkeyPatch) -> str:
    """The city, gone for the core."""
    route_of = core.peers._route_of

    def nowhere(organisation: str) -> Route:
        route = route_of(organisation)
        if organisation != CITY:
            return route
        return Route(url="https://127.0.0.1:1", context=route.context, version="nowhere")

    monkeypatch.setattr(core.peers, "_route_of", nowhere)
    return CITY


async def test_a_witness_that_is_down_keeps_no_other_back(core: Context, unreachable: str) -> None:
    recorded = await write_entry(core)

    await cosign_all(core)

    cosigned = await cosigned_of(core)
    assert cosigned[recorded.slot, UNION] > recorded.index
    assert cosigned.get((recorded.slot, unreachable), 0) <= recorded.index


def calls_of(context: Context) -> WitnessCalls:
    return WitnessCalls(trust=context.trust, peers=context.peers, clock=context.clock)


@pytest.mark.usefixtures("unreachable")
async def test_each_witness_shows_what_it_cosigned_last(core: Context) -> None:
    slot = own_slot(core)
    await Cosigning(core).visit(UNION, {slot: Cosigned()})
    held = (await cosigned_of(core))[slot, UNION]
    await write_entry(core)

    shown = await calls_of(core).newest(slot)

    assert shown is not None
    assert {name: checkpoint.size for name, checkpoint in shown.items()} == {UNION: held}
    (note,) = await core.writer.checkpoints_at(slot, [held])
    assert shown[UNION] == parse_note(note).checkpoint


async def test_a_witness_that_never_cosigned_a_slot_shows_nothing(core: Context) -> None:
    assert await calls_of(core).newest(999) == {}


async def test_whoever_has_no_answer_from_any_witness_knows_nothing(
    core: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere: Elsewhere = calls_of(core)

    async def nobody(*_: object, **__: object) -> None:
        raise PeerUnavailableError("gone")

    monkeypatch.setattr(core.peers, "get", nobody)

    assert await elsewhere.newest(own_slot(core)) is None


Cosign = Callable[..., SignatureLine]


def another_root(checkpoint: Checkpoint, signer: WitnessKey, **more: object) -> SignatureLine:
    return cosign(Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)), signer, **more)  # type: ignore[arg-type]  # as it was called


def another_key(checkpoint: Checkpoint, _signer: WitnessKey, **more: object) -> SignatureLine:
    return cosign(checkpoint, WitnessKey.generate(), **more)  # type: ignore[arg-type]  # as it was called


def another_name(checkpoint: Checkpoint, signer: WitnessKey, **more: object) -> SignatureLine:
    return cosign(checkpoint, signer, **more | {"name": witness_name(cast.NETWORK, "other")})  # type: ignore[arg-type]  # as it was called


def another_time(checkpoint: Checkpoint, signer: WitnessKey, **more: object) -> SignatureLine:
    return cosign(checkpoint, signer, **more | {"time": int(str(more["time"])) - 121})  # type: ignore[arg-type]  # as it was called


@pytest.mark.parametrize("lie", [another_root, another_key, another_name, another_time])
async def test_a_witness_that_lies_is_not_counted(
    core: Context, monkeypatch: pytest.MonkeyPatch, lie: Cosign
) -> None:
    await forget_cosignatures(core)
    monkeypatch.setattr(witnessing, "cosign", lie)

    await cosign_all(core)

    assert await cosigned_of(core) == {}
    assert core.witnesses.obstacles(core.clock.now())[0] == "not-cosigned"


async def test_a_witness_that_holds_another_tree_of_ours_raises_the_alarm(
    network: Network, clock: WorldClock
) -> None:
    city, slot = context_of(network, CITY), 46
    own = LiarsLog(
        origin=f"{cast.NETWORK}/{CITY}/log/{slot}", signer=city.trust.keys.log, clock=clock
    )
    await unwitnessed(context_of(network, CORE), own.origin)
    # Somebody with our keys had a tree cosigned that this database knows nothing of.
    assert (await post(network, CITY, CORE, own.request(0, 50))).status == 200
    heard: list[tuple[int, str, int]] = []

    async def hear(slot: int, witness: str, size: int) -> None:
        heard.append((slot, witness, size))

    cosigning = Cosigning(city, on_conflict=hear)
    await cosigning.visit(CORE, {slot: Cosigned()})
    await city.witnesses.look()

    assert heard == [(slot, CORE, 50)]
    assert "witness-conflict" in city.witnesses.obstacles(city.clock.now())

    await city.writer.doubt(slot)

    async with city.database.read() as connection:
        loss = await connection.fetchrow("SELECT * FROM log_losses WHERE slot = $1", slot)
        is_frozen = await connection.fetchval(
            "SELECT is_frozen FROM log_slots WHERE slot = $1", slot
        )
    assert loss is not None
    assert (loss["known_from"], loss["known_size"], is_frozen) == (CORE, 50, True)
    # Nobody is asked to cosign it any more, so that it keeps nobody from being ready.
    assert (slot, CORE) not in await cosigned_of(city)
    clock.ahead += MINUTE  # permits of before the loss are answered to nobody


async def test_what_a_witness_only_says_freezes_nothing(network: Network) -> None:
    city, slot = context_of(network, CITY), 45
    await Cosigning(city).visit(CORE, {slot: Cosigned()})
    # It claims more than it can show a signature of ours for.
    liar, origin = context_of(network, CORE), log_origin(cast.NETWORK, CITY, slot)
    held = await liar.cosigned.held(origin)
    assert liar.cosigned.marks.advance(origin, before=held.mark, new=Mark(99, held.root))
    async with liar.database.read() as connection:
        await connection.execute("UPDATE witnessed SET size = 99 WHERE origin = $1", origin)
    heard: list[int] = []

    async def hear(slot: int, _witness: str, size: int) -> None:
        heard.append(size)
        await city.writer.doubt(slot)

    await Cosigning(city, on_conflict=hear).visit(CORE, {slot: Cosigned(size=1)})

    assert heard == [99]
    async with city.database.read() as connection:
        assert not await connection.fetchval(
            "SELECT is_frozen FROM log_slots WHERE slot = $1", slot
        )


async def test_another_tree_of_the_same_size_raises_the_alarm_too(
    network: Network, clock: WorldClock
) -> None:
    city, slot = context_of(network, CITY), 47
    own = LiarsLog(
        origin=f"{cast.NETWORK}/{CITY}/log/{slot}", signer=city.trust.keys.log, clock=clock
    )
    await unwitnessed(context_of(network, UNION), own.origin)
    assert (await post(network, CITY, UNION, own.request(0, 1))).status == 200
    heard: list[tuple[int, str, int]] = []

    async def hear(slot: int, witness: str, size: int) -> None:
        heard.append((slot, witness, size))

    await Cosigning(city, on_conflict=hear).visit(UNION, {slot: Cosigned(size=1)})

    assert heard == [(slot, UNION, 1)]


@pytest.fixture
async def witnessed(network: Network) -> AsyncIterator[None]:
    """All three are cosigned, also when the test is done."""
    for name in (CORE, CITY, UNION):
        await make_ready(context_of(network, name))
    yield
    for name in (CORE, CITY, UNION):
        await make_ready(context_of(network, name))


async def make_ready(context: Context) -> None:
    """Let a party believe that everything is cosigned, whatever liars did to its slots."""
    async with context.database.read() as connection:
        await connection.execute(
            "INSERT INTO cosigned (slot, witness, size, cosigned_at)"
            " SELECT slot, w, size, now() FROM log_slots, unnest($1::text[]) AS w"
            " ON CONFLICT (slot, witness) DO UPDATE"
            " SET size = excluded.size, cosigned_at = now(), conflict_size = NULL",
            list(context.witnesses.witnesses),
        )
    await context.witnesses.look()


@pytest.mark.usefixtures("witnessed")
async def test_until_it_is_cosigned_nobody_asks_provides_or_permits(
    network: Network, union: Rogue
) -> None:
    """Enrolment; and beyond fifteen minutes of lag it is the same, for another reason."""
    number = await union.person()
    permitted = await union.permitted(number)
    core, city = context_of(network, CORE), context_of(network, CITY)
    for context in (core, city, union.context):
        await forget_cosignatures(context)

    with pytest.raises(NotCosignedError):
        await network.gateway(UNION).flows.inquire.begin(an_order(number), REGISTRATION)
    refused = (await union.present(permitted)).item_problem()
    with pytest.raises(AssertionError, match="not-cosigned"):
        await union.permitted(number)

    assert refused == (503, "not-cosigned", None)
    for context in (core, city, union.context):
        await make_ready(context)
    assert (await union.present(permitted)).provisions.results[0].problem is None


@pytest.mark.usefixtures("witnessed", "unreachable")
async def test_beyond_fifteen_minutes_nothing_new_is_permitted(
    core: Context, clock: WorldClock, union: Rogue
) -> None:
    number = await union.person()
    granted = await union.permitted(number)

    clock.ahead += 14 * MINUTE
    await cosign_all(core)  # the union still signs, the city does not: of two both are needed
    await union.permitted(number)
    clock.ahead += 2 * MINUTE
    with pytest.raises(AssertionError, match="witness-lag"):
        await union.permitted(number)

    assert core.witnesses.obstacles(core.clock.now()) == ("witness-lag",)
    with pytest.raises(WitnessLagError):
        core.witnesses.require(core.clock.now())
    # What was permitted before is given again: it is no new act.
    (again,) = await union.permits([granted.asked])
    assert again.permit_id == granted.permit_id


@pytest.mark.usefixtures("witnessed")
async def test_beyond_fifteen_minutes_nothing_new_is_provided_or_asked(
    network: Network, clock: WorldClock, union: Rogue
) -> None:
    number = await union.person()
    permitted, other = [await union.permitted(number) for _ in range(2)]
    first = (await union.present(permitted)).provisions
    for name in (CITY, UNION):
        await context_of(network, name).witnesses.look()
    clock.ahead += 16 * MINUTE
    await make_ready(context_of(network, CORE))
    (other,) = await union.permits([other.asked])  # a token of now

    late = (await union.present(other)).item_problem()
    again = (await union.present(permitted)).provisions
    with pytest.raises(UnavailableError) as caught:
        await network.gateway(UNION).flows.inquire.begin(an_order(number), REGISTRATION)

    assert late == (503, "witness-lag", None)
    assert told(again) == told(first)
    assert caught.value.problem == "witness-lag"
