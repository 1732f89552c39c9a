"""What the tests of kept bases do again and again: publish laws, bodies and rules; check; look."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import msgspec

from certs import publish
from certs.directory import DIRECTORY_BYTES_MAX, Directory
from certs.documents import sign_document
from certs.own_keys import load_directory_key, read_root
from certs.publish import DirectoryChanges
from codes.canonical import TOKYO, tokyo_day
from gateway.app import gateway_role
from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.check_provisions import Checked
from gateway.flows.context import Context
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.stood import MARGIN, SPREAD
from gateway.storage import basis
from gateway.storage.basis import Basis
from policies.allow_list import AllowList
from tests.e2e.resilience.scene import Scene, die
from tests.integration.core.world import WorldClock

NAGAOKA, UNION = cast.NAGAOKA, cast.GUNMA_UNION
CLEARLY = SPREAD + 2 * MARGIN
EVENING = time(18)
HELD_FOR_ALL = """\
format = 1
version = "{version}"
otherwise = "automatic"

[[rules]]
id = "everything"
from = 2024-05-27
when = {{ always = 1 }}
then = "hold"
approvals = 1
deadline_hours = 24
reason = "everything"
"""


def a_clock() -> WorldClock:
    """A clock that a module moves on, over no midnight of Tokyo."""
    now = datetime.now(TOKYO)
    if now.time() < EVENING:
        return WorldClock()
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(0, 5), TOKYO)
    return WorldClock(tomorrow - now)


async def checked(gateway: Gateway) -> Checked:
    return await gateway.flows.checker.run(tokyo_day(gateway.context.clock.now()))


def about(found: Checked, permit_id: str | None) -> list[tuple[str, str | None]]:
    return [(one.reason, one.ground) for one in found.findings if one.permit_id == permit_id]


def new_since(earlier: Checked, found: Checked) -> list[tuple[str, str]]:
    """Return what a check found that the one before had not: reason and kind."""
    known = {one.entry_id for one in earlier.findings}
    return [(one.reason, one.kind) for one in found.findings if one.entry_id not in known]


def reasons(found: Checked) -> set[tuple[str, str | None]]:
    return {(one.reason, one.ground) for one in found.findings}


async def exchanged(scene: Scene, state: InquiryState = InquiryState.PROVIDED) -> str:
    view = await scene.answered(await scene.asked())
    assert (view.row.state, view.row.reason) == (state, None)
    assert view.row.permit_id is not None
    return view.row.permit_id


async def kept(gateway: Gateway) -> list[Basis]:
    async with gateway.context.database.read() as connection:
        return await basis.every(connection)


async def entries(gateway: Gateway, kind: str) -> list[OpenedEntry]:
    context = gateway.context
    reader = RecordReader(
        database=context.database,
        organisation=context.trust.organisation,
        keys=context.vault.keys,
    )
    return await reader.search(Search(kinds=(kind,)))


def next_law(scene: Scene, law_version: str) -> DirectoryChanges:
    """Another version of the same law; the assessments stay."""
    law = scene.city.context.trust.law
    facts = msgspec.structs.replace(law.facts, version=law_version)
    following = AllowList.build(facts, version=law.version + 1, assessments=law.assessments)
    return DirectoryChanges(allow_list=following.to_document())


async def published(scene: Scene, changes: DirectoryChanges, *names: str) -> None:
    """Publish the next directory; these gateways, by default both, take it up.

    What HTTP says of the time is the machine's and not the scene's, and nobody is to mind.
    """
    await scene.publish(changes, *names)
    for gateway in (scene.city, scene.union):
        gateway.context.trust.is_clock_off = False


async def publish_without(scene: Scene, *body_codes: str) -> dict[str, object]:
    """Publish a directory in which nobody has these bodies; return what was listed before."""
    return await publish_bodies(
        scene,
        {
            name: [body.to_json() for body in party.bodies if body.body_code not in body_codes]
            for name, party in scene.city.context.trust.directory.organisations.items()
        },
    )


async def publish_bodies(scene: Scene, bodies: Mapping[str, object]) -> dict[str, object]:
    """Publish a directory with these bodies by organisation; return those listed before."""
    keys = scene.network.parties[cast.CORE].settings.network.keys_dir
    previous = publish.read_directory(keys)
    signed = publish._signed_of(previous.raw)
    listed = signed["organisations"]
    assert isinstance(listed, list)
    before = {entry["name"]: entry["bodies"] for entry in listed}
    signed["organisations"] = [{**entry, "bodies": bodies[entry["name"]]} for entry in listed]
    signed["version"] = previous.version + 1
    raw = sign_document(signed, [load_directory_key(keys)], bytes_max=DIRECTORY_BYTES_MAX)
    following = Directory.parse_archived(raw, root=read_root(keys / "root.json"))
    publish.store_published(keys, following, publish._read_allow_list(keys, previous))
    await published(scene, DirectoryChanges())
    return before


@asynccontextmanager
async def worker_with_rules(
    scene: Scene, folder: Path, text: str, *, name: str = NAGAOKA
) -> AsyncIterator[Gateway]:
    """Hold a second worker of an organisation whose site has rules of its own."""
    path = folder / "release.toml"
    path.write_text(text)
    worker = scene.network.parties[name].worker
    settings = msgspec.structs.replace(
        worker.settings,
        policies=msgspec.structs.replace(worker.settings.policies, release_rules=path),
    )
    gateway = await gateway_role.compose(replace(worker, worker=1, settings=settings))
    try:
        yield gateway
    finally:
        await die(gateway)
        await gateway.role.close()


def later_than(scene: Scene, gateway: Gateway, **by: float) -> Context:
    """Return a gateway's floor under a clock that is ahead of the scene's."""
    return replace(gateway.context, clock=WorldClock(scene.clock.ahead + timedelta(**by)))
