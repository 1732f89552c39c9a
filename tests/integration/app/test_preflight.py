"""`sekisho serve` itself, a process of its own, before a database that breaks a promise."""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg
import pytest

from gateway.app.roles import demands_of
from gateway.cli.output import ExitCode
from gateway.settings import load_settings
from gateway.storage.database import Demands
from tests.conftest import Dsns
from tests.integration.app.instance import CONFIG, lay_out
from tests.integration.storage.pooler import pooled

SECONDS_MAX = 60
REPLICATED = '[records]\ndurability = "replicated"'


def settings_of(folder: Path, dsn: str, *more: str) -> Path:
    section = "\n".join(["[database]", f"dsn = {json.dumps(dsn)}", *more])
    return lay_out(folder, CONFIG.replace("[listeners.ops]", f"{section}\n\n[listeners.ops]"))


async def served(settings: Path) -> tuple[int | None, str]:
    """Return how `sekisho serve` ends that is not let up, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(settings)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


async def test_replication_without_a_standby_lets_no_parent_up(tmp_path: Path, dsns: Dsns) -> None:
    ended, said = await served(settings_of(tmp_path, dsns.app, REPLICATED))

    assert (ended, "no synchronous standby" in said) == (ExitCode.USAGE, True), said


async def test_a_pooler_lets_no_parent_up(tmp_path: Path, dsns: Dsns) -> None:
    async with pooled(dsns.app, own_keys=True) as dsn:
        ended, said = await served(settings_of(tmp_path, dsn))

    assert (ended, "leads to a pooler" in said) == (ExitCode.USAGE, True), said


async def test_a_checker_that_could_write_lets_no_gateway_up(tmp_path: Path, dsns: Dsns) -> None:
    path = settings_of(tmp_path, dsns.app, f"checker_dsn = {json.dumps(dsns.app)}")
    text = path.read_text().replace('"resident-network"', '"gateway"', 1)
    text = text.replace('[resident_network]\nresidents = "residents.csv"\n', "")
    text = text.replace("[master_key]", 'core_url = "https://127.0.0.1:1"\n\n[master_key]')
    path.write_text(text + "".join(f"[listeners.{n}]\nport = 0\n" for n in ("backoffice", "staff")))

    ended, said = await served(path)

    assert (ended, "checker_dsn: role sekisho_app" in said) == (ExitCode.USAGE, True), said


async def test_who_could_change_records_lets_no_parent_up(tmp_path: Path, dsns: Dsns) -> None:
    ended, said = await served(settings_of(tmp_path, dsns.owner))

    assert (ended, "role sekisho_owner: owns" in said) == (ExitCode.USAGE, True), said


@pytest.mark.parametrize("environment", ["production", "demo", "test"])
def test_only_the_environment_test_lets_a_server_forget(environment: str, tmp_path: Path) -> None:
    path = settings_of(tmp_path, "postgresql:///sekisho", REPLICATED)
    text = path.read_text().replace("port = 0", "port = 9090", 1).replace("port = 0", "port = 9091")
    path.write_text(text.replace('"test"', json.dumps(environment), 1))

    assert demands_of(load_settings(path)) == Demands(
        is_replicated=True, may_forget=environment == "test"
    )


async def test_a_server_that_forgets_lets_no_demo_up(tmp_path: Path, dsns: Dsns) -> None:
    connection = await asyncpg.connect(dsns.app)
    assert await connection.fetchval("SHOW fsync") == "off"
    await connection.close()
    path = settings_of(tmp_path, dsns.app)
    path.write_text(path.read_text().replace('"test"', '"demo"', 1))

    ended, said = await served(path)

    assert (ended, "fsync is off" in said) == (ExitCode.USAGE, True), said
