"""A provider over an older backup: what it forgot is not answered twice, and the log tells it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from certs.own_keys import PrivateKeySet
from gateway.app import gateway_role
from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.flows.record_types import Draft
from gateway.settings import Settings
from gateway.storage.database import Connection, Database
from gateway.storage.switches import SwitchLifted
from tests.conftest import Dsns, NewDatabase
from tests.e2e.adversary.rogue import Permitted, Rogue
from tests.e2e.resilience.presenting import first_port, present, said, sealed_bytes, serving
from tests.e2e.resilience.scene import Scene, die
from tests.integration.backups import Backups, digests, execute
from tests.integration.record_log import until_sealed_as_signed


def backups_of(settings: Settings, folder: Path) -> Backups:
    keys = PrivateKeySet.load(settings.network.keys_dir)
    return Backups.under(
        folder,
        network=keys.network,
        organisation=keys.organisation,
        key_set=keys.key_set,
        signer=keys.log,
    )


@asynccontextmanager
async def city_over(scene: Scene, dsns: Dsns, data_dir: Path) -> AsyncIterator[Gateway]:
    """Hold the provider over another database, on the machine of this data folder."""
    worker = scene.network.parties[cast.NAGAOKA].worker
    settings = msgspec.structs.replace(worker.settings, data_dir=data_dir)
    gateway = await gateway_role.compose(replace(worker, settings=settings, dsn=dsns.app))
    try:
        yield gateway
    finally:
        await die(gateway)
        await gateway.role.close()


async def lift_the_switch(city: Gateway) -> None:
    """What a person does who has looked flags and switches through."""
    async with city.context.database.read() as connection:
        switch_id = await connection.fetchval(
            "SELECT switch_id FROM stop_switches WHERE reason = 'backup-restored'"
        )
    effect = SwitchLifted(switch_id=switch_id, lifted_by="carol")
    draft = Draft(
        kind="switch-lifted", members={}, private={}, effects=(effect,), changes_gate=True
    )
    await city.context.writer.append([draft], source="test")


async def counted(city: Gateway, permitted: Permitted, *kinds: str) -> list[int]:
    async def count(connection: Connection, kind: str) -> int:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE permit_id = $1::uuid AND kind = $2",
            *(permitted.permit_id, kind),
        )
        return found

    async with city.context.database.read() as connection:
        return [await count(connection, kind) for kind in kinds]


async def a_minute_ago(owner: str) -> None:
    """Move the restore, and what it found lost, into the past; the scene's clock stays."""
    await execute(owner, "UPDATE restores SET restored_at = restored_at - interval '1 min'")
    await execute(owner, "UPDATE log_losses SET found_at = found_at - interval '1 min'")


async def test_what_was_answered_after_the_backup_is_not_answered_again_and_work_goes_on(
    scene: Scene, rogue: Rogue, new_database: NewDatabase, tmp_path: Path
) -> None:
    party, port = scene.network.parties[cast.NAGAOKA], first_port(scene)
    backups = backups_of(party.settings, tmp_path)
    owner = party.worker.dsn.replace("user=sekisho_app", "user=sekisho_owner")
    known, number = await rogue.permitted(), await rogue.person()
    first = await present(rogue, await rogue.provisions_request(known), port)
    await scene.all_told()
    database = await Database.open(party.worker.dsn, connections_max=1)
    await until_sealed_as_signed(database, said(rogue, first)[1].slot)
    await database.close()
    backup = await backups.make(owner)
    stored = await digests(owner)
    forgotten = await rogue.permitted(number)
    used = await present(rogue, await rogue.provisions_request(forgotten), port)
    dsns = await new_database()
    await backups.restore(backup, dsns.owner, party.settings.key_store_dir)
    restored = await digests(dsns.owner)
    for name in ("keys", "released"):
        shutil.copytree(party.settings.data_dir / name, tmp_path / "data" / name)

    async with city_over(scene, dsns, tmp_path / "data") as city, serving(city) as other:
        retried = await present(rogue, await rogue.provisions_request(known), other)
        again = await present(rogue, await rogue.provisions_request(forgotten), other)
        await a_minute_ago(dsns.owner)
        fresh = await rogue.permitted(number)
        waits = await present(rogue, await rogue.provisions_request(fresh), other)
        await lift_the_switch(city)
        answered = await present(rogue, await rogue.provisions_request(fresh), other)
        entries = [await counted(city, one, "provision", "refusal") for one in (forgotten, fresh)]
        losses = await digests(dsns.owner)

    assert {name for name in stored if stored[name] != restored.get(name)} <= {"access_tokens"}
    assert said(rogue, used)[1].outcome == "provided"
    assert (said(rogue, retried)[0], sealed_bytes(retried)) == (
        said(rogue, first)[0],
        sealed_bytes(first),
    )
    problems = [one.results[0].problem for one in (again, waits)]
    assert [(one.status, one.type) for one in problems if one is not None] == [
        (409, "permit-forgotten"),
        (503, "restored-backup"),
    ]
    provision = said(rogue, answered)[1]
    assert provision.outcome == "provided"
    assert provision.slot != said(rogue, first)[1].slot
    assert entries == [[0, 1], [1, 0]]
    assert losses["log_losses"][0] == 1


async def test_nothing_is_forgotten_by_the_operators_word_until_a_loss_is_found(
    scene: Scene, rogue: Rogue, new_database: NewDatabase, tmp_path: Path
) -> None:
    party = scene.network.parties[cast.NAGAOKA]
    backups = backups_of(party.settings, tmp_path)
    owner = party.worker.dsn.replace("user=sekisho_app", "user=sekisho_owner")
    asked = [await rogue.ask(), await rogue.ask()]
    backup, dsns = await backups.make(owner), await new_database()
    whole, lost = await rogue.permits(asked)
    await backups.restore(backup, dsns.owner, party.settings.key_store_dir, is_whole=True)
    for name in ("keys", "released"):
        shutil.copytree(party.settings.data_dir / name, tmp_path / "data" / name)

    async with city_over(scene, dsns, tmp_path / "data") as city, serving(city) as port:
        before = await present(rogue, await rogue.provisions_request(whole), port)
        await execute(
            dsns.owner,
            "INSERT INTO log_losses (slot, found_at, size, root, known_size, known_root,"
            " known_from, is_prefix, copies) VALUES (7, $1, 1, '', 2, '', 'released', true, '{}')",
            scene.clock.now(),
        )
        after = await present(rogue, await rogue.provisions_request(lost), port)

    assert said(rogue, before)[1].outcome == "provided"
    problem = after.results[0].problem
    assert problem is not None
    assert problem.type == "permit-forgotten"
