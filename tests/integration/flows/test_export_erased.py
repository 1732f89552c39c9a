"""An export that begins in an erased month, or of a slot with nothing left, still verifies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import asyncpg
import pytest

from certs.keystore import KeyStore, MasterKey
from gateway.demo import cast
from gateway.domain.staff import Role
from gateway.errors import NotFoundError
from gateway.flows.checkpoints import Checkpoints, TileErasedError
from gateway.flows.context import Context
from gateway.flows.erase_months import EraseMonths
from gateway.flows.export_records import ExportRecords, Period
from gateway.flows.gate import GateView
from gateway.flows.record import record_writer
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_start import open_streams
from gateway.flows.trust import Trust
from gateway.flows.vault import Vault
from gateway.flows.witness_state import WitnessState
from gateway.http.problems import problem_type
from gateway.outbound.peers import Peers, Route
from gateway.records.bundle import read_slot
from gateway.records.erased import ERASURES
from gateway.records.note import cosign, log_origin, origin_hash_of, parse_note, witness_name
from gateway.storage.cosigned import Cosignature, keep_cosignature
from gateway.storage.database import Database
from policies.measures import StopSwitch
from tests.conftest import Dsns
from tests.damage.judges import Verdict, by_one_file, by_the_program
from tests.integration.flows.test_erase_months import ADD_MONTH, a_person
from tests.integration.record_log import SetClock, a_draft, add_effects
from tests.unit.certs import networks

MONTH, NEXT = 201905, 201906
FIRST_DAY = datetime(2019, 5, 10, tzinfo=UTC)
ENDED = datetime(2019, 5, 31, 15, tzinfo=UTC)
NAGAOKA, CORE = "nagaoka", "core"
WHOLE = Period(begins=datetime(2000, 1, 1, tzinfo=UTC), ends=ENDED + timedelta(days=3))
BETWEEN = Period(begins=ENDED + timedelta(hours=1), ends=ENDED + timedelta(days=3))
INSIDE = Period(begins=ENDED - timedelta(hours=1), ends=ENDED - timedelta(minutes=1))


def nobody(name: str) -> Route:
    raise AssertionError(name)


async def cosigned(context: Context, aged: networks.Network, moment: datetime) -> None:
    """Have the core's lines under every slot as it is, dated as if it were this moment."""
    signer = aged.keys(CORE).witness
    for slot in range(context.trust.directory.organisation(NAGAOKA).slots):
        checkpoint = parse_note(await context.writer.checkpoint(slot)).checkpoint
        name = witness_name(context.trust.network, CORE)
        line = cosign(checkpoint, signer, name=name, time=int(moment.timestamp()))
        async with context.database.transaction() as connection:
            await keep_cosignature(
                connection,
                Cosignature(
                    slot=slot,
                    witness=CORE,
                    size=checkpoint.size,
                    at=moment,
                    key_id=line.key_id,
                    signature=line.signature,
                ),
            )


@pytest.fixture(scope="module")
def aged() -> networks.Network:
    now = datetime.now(UTC).replace(microsecond=0)
    return networks.an_aged_network(FIRST_DAY - timedelta(days=9), now - timedelta(hours=1))


@pytest.fixture
async def context(
    database: Database, dsns: Dsns, aged: networks.Network, tmp_path: Path
) -> AsyncIterator[Context]:
    """A log with 300 entries of May 2019 in one slot, 10 of June, and eight slots opened in May."""
    keys = KeyStore.create(
        tmp_path / "store", MasterKey.generate(), network="testnet", organisation=NAGAOKA
    )
    clock = SetClock()
    trust = Trust(
        keys=aged.keys(NAGAOKA),
        directory=aged.directory,
        law=cast.allow_list(),
        clock=clock,
        environment="test",
    )
    await add_effects(dsns.owner)
    owner = await asyncpg.connect(dsns.owner)
    for month in (MONTH, NEXT):
        await owner.execute(ADD_MONTH, month)
    await owner.close()
    clock.moment = FIRST_DAY
    await open_streams(
        database=database,
        network=trust.network,
        organisation=NAGAOKA,
        slots=trust.directory.organisation(NAGAOKA).slots,
        key_set_digest=trust.keys.key_set.digest,
        keys=keys,
        clock=clock,
    )
    async with record_writer(
        database=database,
        organisation=NAGAOKA,
        signer=aged.keys(NAGAOKA).log,
        keys=keys,
        clock=clock,
        marks=ReleasedMarks(tmp_path / "released"),
    ) as writer:
        context = Context(
            clock=clock,
            database=database,
            writer=writer,
            trust=trust,
            vault=Vault(keys),
            peers=Peers(nobody),
            gate=GateView(no_gate),
            witnesses=WitnessState(trust, database, clock),
        )
        await writer.append([a_draft() for _ in range(300)], source="a")
        await cosigned(context, aged, ENDED - timedelta(seconds=10))
        clock.moment = ENDED + timedelta(hours=2)
        await writer.append([a_draft() for _ in range(10)], source="a")
        clock.moment = datetime.now(UTC)
        people = [await a_person(database, role) for role in (Role.AUDITOR, Role.SECURITY_OFFICER)]
        erasing = EraseMonths(database=database, writer=writer, keys=keys)
        for person in people:
            await erasing.approve(MONTH, by=person)
        await erasing.turn()
        await cosigned(context, aged, datetime.now(UTC).replace(microsecond=0))
        yield context


async def no_gate() -> tuple[int, list[StopSwitch]]:
    return 0, []


async def test_the_log_says_from_which_index_on_it_is_kept(context: Context) -> None:
    checkpoints = Checkpoints(context)
    log, idle = (origin_hash_of(log_origin("testnet", NAGAOKA, slot)) for slot in (0, 1))
    size = parse_note(await checkpoints.note(log, CORE)).checkpoint.size

    with pytest.raises(TileErasedError) as gone:
        await checkpoints.tile(log, "tile/0/000", CORE)
    with pytest.raises(NotFoundError) as never:
        await checkpoints.tile(log, "tile/0/002", CORE)

    assert gone.value.members == {"minimum_index": 301}
    assert problem_type(type(gone.value)).status == HTTPStatus.GONE
    assert never.value.problem == "not-found"
    assert (await checkpoints.minimum(log), await checkpoints.minimum(idle)) == (301, 1)
    # What later proofs need is still given: the root of what is gone, and all that goes on.
    upper = await checkpoints.tile(log, "tile/1/000.p/1", CORE)
    right = await checkpoints.tile(log, f"tile/0/001.p/{size - 256}", CORE)
    assert (len(upper), len(right)) == (32, 32 * (size - 256))


async def export(context: Context, period: Period) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    async with asyncio.timeout(20):
        async for name, piece in ExportRecords(context).files(period):
            files[name] = files.get(name, b"") + piece
    return files


@pytest.mark.parametrize("period", [WHOLE, BETWEEN, INSIDE], ids=["whole", "between", "inside"])
async def test_what_is_left_of_an_erased_month_verifies(
    context: Context, aged: networks.Network, period: Period
) -> None:
    root = aged.path / "root" / "root.json"
    files = await export(context, period)

    assert by_the_program(files, root) == Verdict((), complete=True)
    assert by_one_file(files, root) == Verdict((), complete=True)
    assert [read_slot(files, slot).first for slot in (0, 1)] == [301, 1]
    assert read_slot(files, 1).leaves == ()
    less = {name: raw for name, raw in files.items() if name != ERASURES}
    assert {reason for _, _, reason in by_the_program(less, root).faults} == {"begins-late"}
