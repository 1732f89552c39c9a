"""One run of the demonstration, from an empty folder to the last process ended."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.demo import evidence_scene, hold_scene, law_scenes, network_scene
from gateway.demo.evidence_scene import Evidence
from gateway.demo.offices import OFFICES, credentials_folder
from gateway.demo.stage import Stage, set_stage
from gateway.demo.story import Step, Story
from gateway.errors import ConfigurationError

PREFIX: Final = "sekisho-demo-"
# The database's unprivileged user must be able to pass through.
_FOLDER_MODE: Final = 0o711


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How one member of staff signs in."""

    organisation: str
    name: str
    password: str
    totp_secret: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was left running: where, for whom."""

    folder: str
    addresses: dict[str, dict[str, str]]
    clients: dict[str, str]
    """Organisation and client → its credentials.json."""
    staff: list[Login]


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document that `sekisho demo --json` prints."""

    ok: bool
    steps: tuple[Step, ...]
    records: Evidence
    seconds: float
    kept: Kept | None = None


async def run(*, data_dir: Path | None, keep: bool, story: Story) -> Result:
    """Play the whole demonstration; every process has ended afterwards unless `keep`.

    Raises:
        ConfigurationError: `data_dir` holds something already.
        UnavailableError: a party did not come up or did not follow.
    """
    began = time.perf_counter()
    with _folder(data_dir, keep=keep) as folder, _ended_by_signal():
        async with set_stage(folder, story) as stage:
            await law_scenes.play(stage)
            await hold_scene.play(stage)
            await network_scene.play(stage)
            evidence = await evidence_scene.play(stage)
            kept = _kept(stage) if keep else None
            if keep:
                stage.fleet.leave()
    return Result(
        ok=story.is_as_said,
        steps=tuple(story.steps),
        records=evidence,
        seconds=round(time.perf_counter() - began, 1),
        kept=kept,
    )


@contextmanager
def _folder(data_dir: Path | None, *, keep: bool) -> Iterator[Path]:
    """Give an empty folder; one of our own making goes again, unless somebody works in it."""
    if data_dir is not None:
        if data_dir.exists() and any(data_dir.iterdir()):
            raise ConfigurationError(f"{data_dir} is not empty")
        data_dir.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        yield data_dir.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(_FOLDER_MODE)
    is_played = False
    try:
        yield folder
        is_played = True
    finally:
        if not (keep and is_played):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM end the run as an interrupt does: in good order."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("outside a task")
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _kept(stage: Stage) -> Kept:
    return Kept(
        folder=str(stage.folder),
        addresses={name: dict(running.addresses) for name, running in stage.fleet.running.items()},
        clients={
            f"{office.organisation}/{office.client_id}": str(
                credentials_folder(stage.fleet[office.organisation], office) / "credentials.json"
            )
            for office in OFFICES
        },
        staff=[
            Login(
                organisation=organisation,
                name=person.name,
                password=person.password,
                totp_secret=person.factor.base32(),
            )
            for organisation, people in stage.staff.items()
            for person in people.values()
        ],
    )
