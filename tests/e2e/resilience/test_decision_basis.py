"""Decisions are derived again from the list, bodies and rules that were in use at their time."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from certs.publish import DirectoryChanges
from gateway.demo import cast
from gateway.errors import ConfigurationError
from gateway.flows import check_provisions, derive
from gateway.flows.keep_basis import LAW_KIND, RULES_KIND
from gateway.storage import basis
from policies import release
from policies.release import shipped_rules
from tests.conftest import NewDatabase
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.basis_scene import (
    CLEARLY,
    HELD_FOR_ALL,
    NAGAOKA,
    UNION,
    a_clock,
    about,
    checked,
    entries,
    exchanged,
    kept,
    new_since,
    next_law,
    publish_bodies,
    publish_without,
    published,
    worker_with_rules,
)
from tests.e2e.resilience.scene import Scene, parties_at_rest
from tests.e2e.resilience.test_restored import backups_of, city_over
from tests.integration.core.world import WorldClock


@pytest.fixture(scope="module")
def clock() -> WorldClock:
    return a_clock()


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


async def test_what_is_in_use_is_kept_once_with_its_entry(scene: Scene) -> None:
    async with scene.another_worker(NAGAOKA) as other:
        rows = await kept(other)
    trust = scene.city.context.trust
    await published(scene, DirectoryChanges())
    again = await kept(scene.city)

    assert again == rows
    newest = rows[-1]
    assert (newest.allow_list, newest.law_version, newest.rules_version) == (
        trust.directory.allow_list_digest,
        trust.law.law_version,
        shipped_rules().version,
    )
    said = {
        one.stored.entry_id: one.private
        for kind in (LAW_KIND, RULES_KIND)
        for one in await entries(scene.city, kind)
    }
    for row in rows:
        private = said[row.entry_id]
        assert private is not None
        assert private.items() >= row.to_json().items()
    async with scene.city.context.database.read() as connection:
        raw = await basis.document_of(connection, newest.allow_list_document)
    assert raw == trust.raw_allow_list


async def test_a_day_whose_law_changed_at_noon_is_derived_as_a_whole(scene: Scene) -> None:
    earlier = [await checked(one) for one in (scene.city, scene.union)]
    before = await exchanged(scene)
    scene.clock.ahead += CLEARLY
    rows = await kept(scene.city)
    await published(scene, next_law(scene, "law-of-the-afternoon"))
    after = await exchanged(scene)
    scene.clock.ahead += CLEARLY

    found = [await checked(one) for one in (scene.city, scene.union)]

    assert [row.law_version for row in (await kept(scene.city))[len(rows) :]] == [
        "law-of-the-afternoon"
    ]
    assert [new_since(*both) for both in zip(earlier, found, strict=True)] == [[], []]
    assert [one.unchecked for one in found] == [0, 0]
    assert await scene.count(NAGAOKA, before, "provision") == [1]
    assert await scene.count(NAGAOKA, after, "provision") == [1]


async def test_what_was_asked_under_a_law_replaced_long_before_is_named(scene: Scene) -> None:
    before = await checked(scene.union)
    async with scene.another_worker(UNION) as soon, scene.another_worker(UNION) as late:
        await published(scene, next_law(scene, "law-of-somebody-else"))
        laws = [one.context.trust.law.law_version for one in (soon, late, scene.union)]
        await scene.asked(by=soon)
        rightly = await checked(scene.union)
        scene.clock.ahead += CLEARLY
        await scene.asked(by=late)
        found = await checked(scene.union)

    assert laws[0] == laws[1] != laws[2]
    assert new_since(before, rightly) == []
    assert new_since(rightly, found) == [(derive.OTHER_LAW, "inquiry")]


async def test_what_was_given_under_rules_that_were_replaced_long_before_is_named(
    scene: Scene, tmp_path: Path
) -> None:
    text = HELD_FOR_ALL.format(version="held-for-all")
    async with worker_with_rules(scene, tmp_path, text) as other:
        soon = await exchanged(scene)
        scene.clock.ahead += CLEARLY
        late = await exchanged(scene)
        found = await checked(other)
    async with scene.another_worker(NAGAOKA):
        rows = await kept(scene.city)

    assert about(found, soon) == []
    assert about(found, late) == [(derive.OTHER_RULES, None)]
    assert [row.rules_version for row in rows[-2:]] == ["held-for-all", shipped_rules().version]
    assert len(await entries(scene.city, RULES_KIND)) >= 2


async def test_what_was_given_before_the_rules_changed_is_judged_by_those_before(
    scene: Scene, tmp_path: Path
) -> None:
    scene.clock.ahead += CLEARLY
    given = await exchanged(scene)
    earlier = await checked(scene.city)
    scene.clock.ahead += CLEARLY

    async with worker_with_rules(
        scene, tmp_path, HELD_FOR_ALL.format(version="stricter-from-now-on")
    ) as city:
        found = await checked(city)
    async with scene.another_worker(NAGAOKA):
        pass

    assert about(found, given) == []
    assert (found.checked, found.unchecked) == (earlier.checked, earlier.unchecked)


async def test_rules_under_the_name_of_others_are_refused_at_start(
    scene: Scene, tmp_path: Path
) -> None:
    rows = await kept(scene.city)
    text = HELD_FOR_ALL.format(version=shipped_rules().version)

    with pytest.raises(ConfigurationError, match="was in use with other content since"):
        async with worker_with_rules(scene, tmp_path, text):
            pass

    assert await kept(scene.city) == rows


async def test_the_same_rules_in_another_file_are_the_same(scene: Scene, tmp_path: Path) -> None:
    rows = await kept(scene.city)
    shipped = (Path(release.__file__).parent / release.DEFAULT).read_text()

    async with worker_with_rules(scene, tmp_path, f"# Our own copy.\n{shipped}") as city:
        assert await kept(city) == rows


async def test_two_workers_that_adopt_at_once_keep_it_once(scene: Scene) -> None:
    rows = await kept(scene.city)
    recorded = len(await entries(scene.city, LAW_KIND))
    async with scene.another_worker(NAGAOKA) as other:
        await published(scene, next_law(scene, "law-for-two"), UNION)
        with capture_logs() as lines:
            async with scene.gate_held(NAGAOKA, until_waiting=2):
                looks = [
                    asyncio.ensure_future(one.flows.continuations._look_for_directory())
                    for one in (scene.city, other)
                ]
            await asyncio.gather(*looks)
        scene.city.context.trust.is_clock_off = False
        versions = {one.context.trust.law.law_version for one in (scene.city, other)}
    assert versions == {"law-for-two"}
    assert [one["event"] for one in lines if "basis" in one["event"]] == ["basis_kept"]
    assert [row.law_version for row in (await kept(scene.city))[len(rows) :]] == ["law-for-two"]
    assert len(await entries(scene.city, LAW_KIND)) == recorded + 1


async def test_a_body_that_has_left_is_judged_by_the_bodies_of_its_time(scene: Scene) -> None:
    earlier = [await checked(one) for one in (scene.city, scene.union)]
    await exchanged(scene)
    scene.clock.ahead += CLEARLY
    before = await publish_without(scene, cast.UNION_HEAD)
    scene.clock.ahead += CLEARLY

    found = [await checked(one) for one in (scene.city, scene.union)]
    await publish_bodies(scene, before)

    assert [new_since(*both) for both in zip(earlier, found, strict=True)] == [[], []]
    assert [one.unchecked for one in found] == [0, 0]


async def test_after_an_older_backup_is_restored_each_time_is_judged_by_its_own(
    scene: Scene, new_database: NewDatabase, tmp_path: Path
) -> None:
    party = scene.network.parties[NAGAOKA]
    backups = backups_of(party.settings, tmp_path)
    given = await exchanged(scene)
    rows = await kept(scene.city)
    before = await checked(scene.city)
    backup = await backups.make(party.worker.dsn.replace("user=sekisho_app", "user=sekisho_owner"))
    scene.clock.ahead += CLEARLY
    await published(scene, next_law(scene, "law-of-after-the-backup"))
    dsns = await new_database()
    # Nothing came after it, so no switch stands that the scene's clock would take for an old one.
    await backups.restore(backup, dsns.owner, party.settings.key_store_dir, is_whole=True)
    for name in ("keys", "released"):
        shutil.copytree(party.settings.data_dir / name, tmp_path / "data" / name)

    async with city_over(scene, dsns, tmp_path / "data") as city:
        again, found = await kept(city), await checked(city)

    assert again[:-1] == rows
    assert again[-1].law_version == "law-of-after-the-backup"
    assert again[-1].number == max(row.number for row in rows) + 1
    assert about(found, given) == []
    assert found.unchecked == before.unchecked
    assert check_provisions.BASIS_DAMAGED not in {one.reason for one in found.findings}
