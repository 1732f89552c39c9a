"""The directory as the core publishes it: recorded, served, renewed, never rolled back."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta

import aiohttp
import pytest
from structlog.testing import capture_logs

from certs.directory import Directory
from certs.documents import read_document, sign_document
from certs.own_keys import load_directory_key, read_public
from certs.publish import PUBLISHED, DirectoryChanges, publish_directory
from certs.roots import Root
from codes.canonical import instant
from gateway.app.floor import RouteBook
from gateway.demo import cast
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.trust_memory import DIRECTORY
from gateway.records.kinds import DirectoryChanged, Refusal
from gateway.storage import core_directories
from policies.measures import Assessment, StopSwitch
from tests.integration.core.answers import a_person, reason_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import UNION, Member, World, public_of

pytestmark = pytest.mark.usefixtures("core")


async def published(core: Core, version: int) -> None:
    """Wait until the core has published a version."""
    async with asyncio.timeout(20), core.database.read() as connection:
        while await core_directories.published_version(connection) < version:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def refusing(core: Core, reason: str) -> AsyncIterator[None]:
    """Hold the core to refusing, for this reason, what is put before it here."""
    with capture_logs() as lines:
        async with core.adds(**{"directory-changed": 0}), asyncio.timeout(20):
            yield
            while not (refused := [at for at in lines if at["event"] == "directory_refused"]):
                await asyncio.sleep(0.05)
    assert {line["reason"] for line in refused} == {reason}


def publish(world: World, changes: DirectoryChanges) -> Directory:
    """Do what `sekisho certs publish` does."""
    return publish_directory(world.keys(cast.CORE), changes=changes, now=world.clock.now())


async def fetched(member: Member) -> bytes:
    return (await member.context.peers.get("core", "/v1/directory")).body


async def follow(member: Member) -> None:
    """Take the core's directory and allow list, as a gateway's poll does."""
    allow_list = await member.context.peers.get("core", "/v1/allow-list")
    member.context.trust.adopt(await fetched(member), allow_list.body)


async def test_a_new_version_is_an_entry_of_slot_0_and_then_served(
    world: World, core: Core, union: Member
) -> None:
    async with core.adds(**{"directory-changed": 1}):
        directory = publish(world, DirectoryChanges())
        await published(core, directory.version)

    reader = RecordReader(
        database=core.database, organisation=cast.CORE, keys=world.core_key_store()
    )
    entry = (await reader.search(Search(kinds=["directory-changed"])))[0]
    assert isinstance(entry.public, DirectoryChanged)
    assert (entry.public.version, entry.public.digest) == (directory.version, directory.digest)
    assert entry.stored.slot == 0
    assert await fetched(union) == directory.raw


async def test_a_moved_law_day_moves_the_next_decision(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    moved = publish(world, DirectoryChanges(law_day=date(2026, 6, 13)))
    await published(core, moved.version)

    before = reason_of(await union.permits(asked))
    await follow(union)
    after = (await union.permits(await union.ask((await a_person(core))[1]))).results[0].result

    assert before == "law-changed"
    assert after is not None
    assert after.kind == "permit"
    back = publish(world, DirectoryChanges(law_day=cast.LAW_DAY))
    await published(core, back.version)
    await follow(union)


@pytest.mark.parametrize("reason", ["assessment-unpublished", "stopped"])
async def test_an_allow_list_with_a_closed_gate_binds_at_once(
    world: World, core: Core, union: Member, reason: str
) -> None:
    asked = await union.ask((await a_person(core))[1])
    law = union.context.trust.law
    closed = (
        replace(law, assessments=tuple(map(_unpublished, law.assessments)))
        if reason == "assessment-unpublished"
        else replace(law, switches=(StopSwitch(id="1", by="all", reason="an incident"),))
    )
    change = publish(world, DirectoryChanges(allow_list=body_of(closed)))
    await published(core, change.version)

    answer = await union.permits(asked)

    assert reason_of(answer) == reason
    await follow(union)
    (statement,) = union.statements(answer)
    refusal = public_of(statement)
    assert isinstance(refusal, Refusal)
    assert refusal.act21_2 == int(reason == "assessment-unpublished")
    opened = publish(world, DirectoryChanges(allow_list=body_of(law)))
    await published(core, opened.version)
    await follow(union)


def body_of(law: object) -> dict[str, object]:
    """Return an allow list without its version, so that publishing counts it up."""
    body: dict[str, object] = law.to_document()  # type: ignore[attr-defined]  # an allow list
    del body["version"]
    return body


def _unpublished(assessment: Assessment) -> Assessment:
    return Assessment(
        organisation=assessment.organisation,
        file=assessment.file,
        side=assessment.side,
        covers=assessment.covers,
        state="unpublished" if assessment.organisation == UNION else assessment.state,
    )


async def test_a_permit_known_before_is_not_renewed_when_the_law_ended(
    world: World, core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    await union.permits(asked)
    moved = publish(world, DirectoryChanges(law_day=date(2026, 6, 13)))
    await published(core, moved.version)

    living = (await union.permits(asked)).results[0].result
    world.clock.ahead += timedelta(seconds=301)
    ended = await union.permits(asked)

    assert living is not None
    assert living.kind == "permit"
    assert reason_of(ended) == "law-changed"
    back = publish(world, DirectoryChanges(law_day=cast.LAW_DAY))
    await published(core, back.version)


async def test_an_older_version_put_back_is_not_published(
    world: World, core: Core, union: Member
) -> None:
    place = world.keys(cast.CORE) / PUBLISHED
    kept = place.with_name("kept")
    shutil.copytree(place, kept)
    newer = publish(world, DirectoryChanges())
    await published(core, newer.version)

    async with refusing(core, "rollback"):
        shutil.copy(kept / DIRECTORY, place / DIRECTORY)

    assert await fetched(union) == newer.raw
    shutil.copy(place / "directories" / f"{newer.version:08d}.json", place / DIRECTORY)


async def test_a_forged_version_is_not_published(world: World, core: Core, union: Member) -> None:
    place = world.keys(cast.CORE) / PUBLISHED / DIRECTORY
    genuine = place.read_bytes()
    before = await fetched(union)

    async with refusing(core, "signature-invalid"):
        place.write_bytes(genuine.replace(b'"title":"', b'"title":"X', 1))

    assert await fetched(union) == before
    place.write_bytes(genuine)


async def test_a_signed_version_that_nobody_would_follow_is_not_published(
    world: World, core: Core, union: Member
) -> None:
    keys = world.keys(cast.CORE)
    place = keys / PUBLISHED / DIRECTORY
    genuine = place.read_bytes()
    signed = dict(read_document(genuine, type_="directory").signed)
    listed = signed["organisations"]
    assert isinstance(listed, list)
    signed |= {"version": signed["version"] + 1, "organisations": listed[:-1]}  # type: ignore[operator]  # a number

    async with refusing(core, "organisation-dropped"):
        place.write_bytes(sign_document(signed, [load_directory_key(keys)]))

    assert await fetched(union) == genuine
    place.write_bytes(genuine)


async def test_the_core_renews_its_directory_before_it_runs_out(
    world: World, core: Core, union: Member
) -> None:
    before = Directory.parse_archived(await fetched(union), root=root_of(world))
    world.clock.ahead += timedelta(hours=13)

    await published(core, before.version + 1)

    after = Directory.parse_archived(await fetched(union), root=root_of(world))
    assert after.expires - before.expires >= timedelta(hours=12)
    assert instant(after.issued) > instant(before.issued)


def root_of(world: World) -> Root:
    return Root.parse(read_public(world.keys(cast.CORE) / "root.json"))


@pytest.mark.parametrize("path", ["/v1/directory", "/v1/allow-list"])
async def test_who_has_the_present_document_gets_it_not_again(union: Member, path: str) -> None:
    route = RouteBook(union.context.trust).route(cast.CORE)
    async with aiohttp.ClientSession() as session:
        async with session.get(route.url + path, ssl=route.context) as first:
            body, tag = await first.read(), first.headers["ETag"]
        async with session.get(
            route.url + path, ssl=route.context, headers={"If-None-Match": tag}
        ) as second:
            again = await second.read()

    assert (first.status, second.status) == (200, 304)
    assert body
    assert again == b""
