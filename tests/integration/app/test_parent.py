"""A parent and its workers as processes: deaths, drains, metrics, the control socket."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.control import call_control
from gateway.errors import UnavailableError
from gateway.flows.backup_folder import note_success
from tests.integration.app.instance import CONFIG, Instance, lay_out, running, start, until

SEKISHO = Path(sys.executable).with_name("sekisho")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("instance")) as made:
        yield made


async def get(url: str) -> tuple[int, Any]:
    """Ask on a connection of its own, so that any worker may answer."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def requests(instance: Instance, route: str) -> float:
    """Return how many requests of a route all workers of the run have counted."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(instance.url("ops", "/metrics")) as response,
    ):
        text = await response.text()
    assert "pid=" not in text
    found = re.search(rf'requests_total\{{listener="network".*route="{route}".*\}} (\S+)', text)
    return float(found[1]) if found else 0.0


def is_running(pid: int) -> bool:
    """Tell whether a process is there; one that waits to be buried is not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def database_pid(folder: Path) -> int:
    return int((folder / "data/postgresql/cluster/postmaster.pid").read_text().split()[0])


def status(instance: Instance) -> dict[str, Any]:
    reply = call_control(instance.control, "status")
    assert reply.result is not None
    return reply.result


async def test_two_workers_share_one_port(instance: Instance) -> None:
    pids: set[int] = set()

    async def both() -> bool:
        pids.add((await get(instance.url("network", "/pid")))[1]["pid"])
        return len(pids) == 2

    await until(both)
    assert pids == {worker["pid"] for worker in status(instance)["workers"]}


async def test_the_instance_is_live_and_ready(instance: Instance) -> None:
    assert await get(instance.url("ops", "/livez")) == (200, {"live": True})
    assert await get(instance.url("ops", "/readyz")) == (200, {"ready": True, "missing": []})


async def test_a_route_of_one_listener_does_not_exist_on_another(instance: Instance) -> None:
    assert (await get(instance.url("network", "/metrics")))[0] == 404
    assert (await get(instance.url("ops", "/pid")))[0] == 404


async def test_metrics_of_all_workers_are_one_sum(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    before = await requests(instance, "/slow")
    for _ in range(20):
        await get(instance.url("network", f"/slow?folder={tmp_path}"))

    assert await requests(instance, "/slow") == before + 20


async def test_the_last_backup_shows_as_soon_as_it_is_made(instance: Instance) -> None:
    async def shown() -> list[str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(instance.url("ops", "/metrics")) as response,
        ):
            return re.findall(r"backup_taken_timestamp_seconds\{.*", await response.text())

    before = await shown()
    note_success(instance.folder / "data", "database", datetime(2026, 11, 23, tzinfo=UTC))

    assert before == []  # none is set up, so none is late
    assert await shown() == ['backup_taken_timestamp_seconds{kind="database"} 1.795392e+09']


async def test_a_worker_that_was_killed_is_started_again(instance: Instance) -> None:
    victim, other = (worker["pid"] for worker in status(instance)["workers"])
    os.kill(victim, signal.SIGKILL)

    async def unready() -> bool:
        return bool(status(instance)["workers"][0]["pid"] != victim)

    await until(unready)

    async def ready() -> bool:
        return (await get(instance.url("ops", "/readyz")))[0] == 200

    await until(ready)
    first, second = status(instance)["workers"]
    assert first["restarts"] == 1
    assert second["pid"] == other
    assert (await get(instance.url("network", "/pid")))[0] == 200


async def test_what_a_dead_worker_counted_stays_counted(instance: Instance) -> None:
    for _ in range(5):
        await get(instance.url("network", "/pid"))
    before = await requests(instance, "/pid")
    restarts = status(instance)["workers"][1]["restarts"]
    os.kill(status(instance)["workers"][1]["pid"], signal.SIGKILL)

    async def again() -> bool:
        now = status(instance)
        return bool(now["ready"]) and now["workers"][1]["restarts"] == restarts + 1

    await until(again)
    assert await requests(instance, "/pid") == before


def test_the_control_socket_is_for_its_user_alone(instance: Instance) -> None:
    assert stat.S_IMODE(instance.control.stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.control.parent.stat().st_mode) == 0o700


def test_control_answers_and_forwards(instance: Instance) -> None:
    unlocked = call_control(instance.control, "unlock")
    added = call_control(instance.control, "staff-add", {"name": "a"})
    taken = call_control(instance.control, "staff-add", {"name": "taken"})
    unknown = call_control(instance.control, "dance")

    assert unlocked.result == {"state": "not-locked"}
    assert added.result == {"added": "a"}
    assert taken.problem is not None
    assert taken.problem["type"] == "conflict"
    assert unknown.problem is not None
    assert unknown.problem["type"] == "not-found"


async def test_control_refuses_what_is_no_command(instance: Instance) -> None:
    reader, writer = await asyncio.open_unix_connection(str(instance.control))
    writer.write(b'{"command": 1}\n')

    assert json.loads(await reader.readline())["problem"]["type"] == "invalid-request"
    writer.close()


def test_nobody_else_may_read_a_workers_memory(instance: Instance) -> None:
    pids = [instance.process.pid, *(worker["pid"] for worker in status(instance)["workers"])]

    # A process that is not dumpable belongs to root in /proc, whoever runs it; its limit on
    # core files is the same in every case.
    for pid in pids[1:]:
        assert re.search(r"Max core file size +0 +0", Path(f"/proc/{pid}/limits").read_text())
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0


def test_the_master_key_is_in_no_argument_and_no_environment(instance: Instance) -> None:
    key = (instance.folder / "master.key").read_text().strip()

    for worker in status(instance)["workers"]:
        for place in ("cmdline", "environ"):
            assert key.encode() not in Path(f"/proc/{worker['pid']}/{place}").read_bytes()


def test_a_second_parent_over_the_same_folder_does_not_start(instance: Instance) -> None:
    ended = subprocess.run(
        [SEKISHO, "serve", "--config", instance.folder / "gateway.toml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "in use by another instance" in ended.stderr
    assert status(instance)["ready"]


def test_status_is_a_command(instance: Instance) -> None:
    ended = subprocess.run(
        [SEKISHO, "status", "--json", "--config", instance.folder / "gateway.toml"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(ended.stdout)["state"] == "running"


async def test_sigterm_lets_the_request_at_hand_finish(tmp_path: Path) -> None:
    config = CONFIG.replace("count = 2", "count = 1")
    with running(tmp_path, config) as instance:

        async def is_entered() -> bool:
            return (tmp_path / "entered").exists()

        async def lets_nobody_in() -> bool:
            try:
                await get(instance.url("network", "/pid"))
            except aiohttp.ClientError:
                return True
            return False

        async with asyncio.TaskGroup() as group:
            asked = group.create_task(get(instance.url("network", f"/slow?folder={tmp_path}")))
            await until(is_entered)
            instance.process.send_signal(signal.SIGTERM)
            await until(lets_nobody_in)
            # The parent still tells operators why.
            assert await get(instance.url("ops", "/readyz")) == (
                503,
                {"ready": False, "missing": ["draining"]},
            )
            (tmp_path / "open").touch()

            assert (await asked)[0] == 200
        assert await asyncio.to_thread(instance.process.wait, 30) == 0
    with pytest.raises(UnavailableError):
        call_control(instance.control, "status")
    assert not list((tmp_path / "data" / "postgresql").glob("cluster/postmaster.pid"))


async def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    config = CONFIG.replace("count = 2", "count = 1")
    with running(tmp_path, config) as instance:
        worker = status(instance)["workers"][0]["pid"]
        instance.process.kill()

        async def gone() -> bool:
            return not is_running(worker)

        await until(gone)
        # Its database stays behind until the next start; here nobody starts it again.
        os.kill(database_pid(tmp_path), signal.SIGINT)


def with_level(level: str) -> str:
    return CONFIG.replace("[workers]", f"[log]\nlevel = '{level}'\n[workers]")


def test_a_role_that_cannot_be_built_ends_the_run(tmp_path: Path) -> None:
    process, ready = start(tmp_path, with_level("error"))
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1  # through the command line it is 2; here nothing catches it
    assert b"ConfigurationError: the residents are not there" in said
    with os.fdopen(ready) as pipe:
        assert pipe.read() == ""


async def test_a_worker_that_does_not_come_up_is_killed_and_tried_again(tmp_path: Path) -> None:
    config = with_level("warning").replace("[workers]", "[workers]\nstart_timeout_s = 0.5")
    process, ready = start(tmp_path, config)
    os.close(ready)
    control = tmp_path / "data" / "control.sock"

    async def again() -> bool:
        try:
            result: dict[str, Any] = call_control(control, "status").result or {}
        except UnavailableError:
            return False
        return any(worker["restarts"] > 0 for worker in result["workers"])

    try:
        await until(again)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert b"worker_start_too_slow" in said
    assert process.returncode == 0


async def test_a_background_task_that_fails_ends_its_worker(tmp_path: Path) -> None:
    with running(tmp_path, with_level("debug")) as instance:

        async def again() -> bool:
            return bool(status(instance)["workers"][0]["restarts"] > 0)

        await until(again)
        instance.process.terminate()
        _, said = instance.process.communicate(timeout=60)
    assert b"from ValueError" in said
    assert b"123456789012345" not in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[workers]", "[workers]\nnumber = 3"), "unknown field `number` - at `$.workers`"),
        (("data_dir", "data_folder"), "data_folder"),
        (('path = "master.key"', 'path = "other.key"'), "key-file-unreadable"),
    ],
)
def test_settings_that_cannot_be_used_end_with_2_and_one_line(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    path = lay_out(tmp_path, CONFIG.replace(*change, 1))
    ended = subprocess.run(
        [SEKISHO, "serve", "--config", path], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr


def test_a_process_that_counts_already_starts_anew(tmp_path: Path) -> None:
    path = lay_out(tmp_path)
    (tmp_path / "master.key").unlink()
    program = (
        "import prometheus_client, sys, pathlib; from gateway.cli.serve import serve\n"
        "serve(config=pathlib.Path(sys.argv[1]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )

    # Only a new `sekisho serve` makes one line and the exit code 2 of it.
    assert ended.returncode == 2
    assert ended.stderr.startswith("sekisho: master key")


def test_python_o_is_refused(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-O", SEKISHO, "serve", "--config", lay_out(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "python -O" in ended.stderr


def test_the_other_roles_commands_refuse_other_settings(tmp_path: Path) -> None:
    ended = subprocess.run(
        [SEKISHO, "core", "--config", lay_out(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "role is resident-network, not core" in ended.stderr


def test_nobody_running_is_said_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [SEKISHO, "status", "--config", lay_out(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "no answer" in ended.stderr
