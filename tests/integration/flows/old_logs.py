"""A log of seven years ago, with all that works on it: for what happens to months that are old."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from certs.keystore import KeyStore, MasterKey
from gateway.demo import cast
from gateway.domain.staff import Role
from gateway.flows.context import Context
from gateway.flows.cosigned_marks import CosignedMarks
from gateway.flows.cosigned_memory import CosignedMemory
from gateway.flows.erase_months import EraseMonths
from gateway.flows.gate import GateView
from gateway.flows.record import record_writer
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_start import open_streams
from gateway.flows.trust import Trust
from gateway.flows.vault import Vault
from gateway.flows.witness_state import WitnessState
from gateway.outbound.peers import Peers, Route
from gateway.records.note import cosign, parse_note, witness_name
from gateway.storage.cosigned import Cosignature, keep_cosignature
from gateway.storage.database import Database
from policies.measures import StopSwitch
from tests.integration.flows.erasure_scene import ADD_MONTH, a_person, no_copies
from tests.integration.record_log import SetClock, a_draft, add_effects
from tests.unit.certs import networks

MONTH, NEXT = 201905, 201906
FIRST_DAY: Final = datetime(2019, 5, 10, tzinfo=UTC)
ENDED: Final = datetime(2019, 5, 31, 15, tzinfo=UTC)
NAGAOKA, CORE = "nagaoka", "core"


def an_aged_network() -> networks.Network:
    now = datetime.now(UTC).replace(microsecond=0)
    return networks.an_aged_network(FIRST_DAY - timedelta(days=9), now - timedelta(hours=1))


@asynccontextmanager
async def an_old_log(
    database: Database, owner_dsn: str, aged: networks.Network, folder: Path
) -> AsyncIterator[Context]:
    """Hold a log with 300 entries of May 2019 in one slot, 10 of June, eight slots opened in May.

    The core cosigned every slot when May was over. The clock shows the present in the end.
    """
    keys = KeyStore.create(
        folder / "keys", MasterKey.generate(), network="testnet", organisation=NAGAOKA
    )
    clock = SetClock()
    trust = Trust(
        keys=aged.keys(NAGAOKA),
        directory=aged.directory,
        law=cast.allow_list(),
        raw_allow_list=b"",
        clock=clock,
        environment="test",
    )
    await add_effects(owner_dsn)
    owner = await asyncpg.connect(owner_dsn)
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
        marks=ReleasedMarks(folder / "released"),
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
            cosigned=CosignedMemory(database, CosignedMarks(folder / "cosigned")),
        )
        await writer.append([a_draft() for _ in range(300)], source="a")
        await cosigned(context, aged, ENDED - timedelta(seconds=10))
        clock.moment = ENDED + timedelta(hours=2)
        await writer.append([a_draft() for _ in range(10)], source="a")
        clock.moment = datetime.now(UTC)
        yield context


async def erased(context: Context, archives: Path) -> None:
    """Have two people erase May 2019."""
    erasing = EraseMonths(
        database=context.database,
        writer=context.writer,
        keys=context.vault.keys,
        archives=archives,
        copies=no_copies(archives.parent, "testnet", NAGAOKA),
        clock=context.clock,
    )
    for role in (Role.AUDITOR, Role.SECURITY_OFFICER):
        await erasing.approve(MONTH, by=await a_person(context.database, role))
    await erasing.turn()


async def cosigned(
    context: Context,
    aged: networks.Network,
    moment: datetime,
    *,
    but: Sequence[int] = (),
    by: str = CORE,
) -> None:
    """Have a witness's lines under every slot as it is, dated as if it were this moment."""
    signer = aged.keys(by).witness
    slots = range(context.trust.directory.organisation(NAGAOKA).slots)
    for slot in (slot for slot in slots if slot not in but):
        checkpoint = parse_note(await context.writer.checkpoint(slot)).checkpoint
        name = witness_name(context.trust.network, by)
        line = cosign(checkpoint, signer, name=name, time=int(moment.timestamp()))
        async with context.database.transaction() as connection:
            await keep_cosignature(
                connection,
                Cosignature(
                    slot=slot,
                    witness=by,
                    size=checkpoint.size,
                    at=moment,
                    key_id=line.key_id,
                    signature=line.signature,
                ),
            )


def nobody(name: str) -> Route:
    raise AssertionError(name)


async def no_gate() -> tuple[int, list[StopSwitch]]:
    return 0, []
