"""Proof by trying: 35 days after an erasure nothing that is left opens what was erased."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.domain.backup import KEY_STORE_KEPT
from gateway.jobs.key_store_copies import KeyStoreCopiesJob
from tests.integration.backups import Backups
from tests.integration.by_hand import copied_stores, opened_by_trying, sealed_in
from tests.integration.flows.erasure_scene import NEXT, OLD, Scene
from tests.integration.record_log import ORGANISATION, SetClock


async def test_35_days_after_an_erasure_every_key_that_is_left_opens_nothing_of_it(
    scene: Scene, backups: Backups, tmp_path: Path
) -> None:
    """The backup of the database is from before; so is one copy of the key store, by then gone."""
    places, kept, began = tmp_path / "places", tmp_path / "kept", datetime.now(UTC)
    backup = await backups.make(scene.owner)
    before = backups.copy_keys(scene.keys, places / "no-longer-used", now=began)
    # Somebody keeps what should have gone: whoever has that reads on, so the trying can fail.
    shutil.copytree(before, kept / before.name)
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, backups.copies(scene.keys.directory.parent))
        for person in scene.people[:2]:
            await erasing.approve(OLD, by=person)
        await erasing.turn()
    backups.copy_keys(scene.keys, places / "in-use", now=began + timedelta(minutes=1))
    erased, stays = sealed_in(backup, backups, OLD), sealed_in(backup, backups, NEXT)

    def opened(folder: Path, sealed: list[tuple[str, bytes]]) -> int:
        stores = [scene.keys, *copied_stores(folder, backups, scene.master)]
        return len(opened_by_trying(sealed, stores, ORGANISATION))

    at_once = opened(places, erased)
    clock = SetClock(began + KEY_STORE_KEPT)
    await KeyStoreCopiesJob(clock, backups.copies(scene.keys.directory.parent)).turn()
    left = copied_stores(places, backups, scene.master)

    assert len(erased) == len(scene.old) + 2  # and the entry that opened each slot
    assert at_once == len(erased)
    assert len(left) == 1  # made after the erasure, and not due yet
    assert opened(places, erased) == 0
    assert opened(places, stays) >= len(scene.following)  # the trying itself works
    assert opened(kept, erased) == len(erased)
