"""What must stand before a worker starts: keys of the right owner, kept in this process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from certs.keystore import KeyStore, MasterKey
from gateway.app.control import ControlReply, call_control
from gateway.app.control_server import ControlServer
from gateway.app.foundation import _keep_running, laid_foundation, open_keys
from gateway.errors import ConfigurationError, UnavailableError
from gateway.settings import Settings, load_settings
from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import APP_ROLE, SchemaError, check_schema
from tests.conftest import create_database, drop_database
from tests.integration.app.instance import CONFIG, lay_out

HARDENED = """
import ctypes, resource
from gateway.app.hardening import harden_process
harden_process()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(lay_out(tmp_path))


def test_a_hardened_process_is_not_dumpable() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HARDENED], capture_output=True, text=True, check=True
    )

    assert ended.stdout.split() == ["0", "0", "0"]


def test_the_key_store_is_made_once_and_opened_after(settings: Settings) -> None:
    first = KeyStore.open(settings.key_store_dir, open_keys(settings)).month("2026-07")
    again = KeyStore.open(settings.key_store_dir, open_keys(settings)).month("2026-07")

    assert first == again


def test_another_master_key_does_not_open_the_store(settings: Settings) -> None:
    open_keys(settings)
    settings.master_key.path.unlink()
    MasterKey.generate().to_file(settings.master_key.path)

    with pytest.raises(ConfigurationError, match="other-master"):
        open_keys(settings)


def test_a_master_key_that_others_may_read_is_refused(settings: Settings) -> None:
    settings.master_key.path.chmod(0o644)

    with pytest.raises(ConfigurationError, match="key-file-too-open"):
        open_keys(settings)


def test_the_store_of_another_organisation_is_refused(settings: Settings) -> None:
    master = MasterKey.from_file(settings.master_key.path)
    KeyStore.create(settings.key_store_dir, master, network="test", organisation="nagaoka-shi")

    with pytest.raises(ConfigurationError, match="key store of nagaoka-shi"):
        open_keys(settings)


async def test_a_control_socket_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)

    async def echo(command: str, _arguments: object) -> ControlReply:
        return ControlReply(result={"command": command})

    server = ControlServer(deep / "control.sock", echo)
    await server.start()
    reply = await asyncio.to_thread(call_control, deep / "control.sock", "status")
    await server.stop()

    assert reply.result == {"command": "status"}
    assert list(deep.iterdir()) == []


async def test_a_control_command_that_fails_says_nothing_of_it(tmp_path: Path) -> None:
    async def fail(_command: str, _arguments: object) -> ControlReply:
        raise ValueError("123456789012345")

    server = ControlServer(tmp_path / "control.sock", fail)
    await server.start()
    reply = await asyncio.to_thread(call_control, tmp_path / "control.sock", "status")
    await server.stop()

    assert reply.problem is not None
    assert reply.problem["type"] == "internal-error"
    assert "123456789012345" not in str(reply)


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The name of a database of the operator's own, with nothing in it yet."""
    name = "operators_own"
    await create_database(postgres, name, "template1")
    yield name
    await drop_database(postgres, name)


def with_database(
    folder: Path, postgres: EmbeddedPostgres, name: str, *, migrates: bool
) -> Settings:
    given = {"dsn": postgres.dsn(database=name), "owner_dsn": postgres.dsn(OWNER_ROLE, name)}
    section = [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    section += [f"migrate_at_start = {str(migrates).lower()}", "", "[listeners.ops]"]
    text = CONFIG.replace("[listeners.ops]", "\n".join(["[database]", *section]))
    return load_settings(lay_out(folder, text))


async def test_a_database_of_ones_own_is_migrated_by_its_owner_where_the_settings_say_so(
    tmp_path: Path, postgres: EmbeddedPostgres, empty: str
) -> None:
    settings = with_database(tmp_path, postgres, empty, migrates=True)

    async with laid_foundation(settings, metrics_dir=tmp_path / "metrics") as foundation:
        database = await Database.open(foundation.dsn, connections_max=1)
        async with database.read() as connection:
            await check_schema(connection)
            role = await connection.fetchval("SELECT current_user")
        await database.close()

    assert role == APP_ROLE
    assert not settings.database_dir.exists()


async def test_a_database_of_ones_own_is_otherwise_left_as_it_is_and_refused(
    tmp_path: Path, postgres: EmbeddedPostgres, empty: str
) -> None:
    settings = with_database(tmp_path, postgres, empty, migrates=False)

    with pytest.raises(SchemaError, match="has not been applied"):
        async with laid_foundation(settings, metrics_dir=tmp_path / "metrics"):
            pass


async def test_a_database_that_is_not_there_is_said_so(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    settings = with_database(tmp_path, postgres, "nobodys", migrates=True)

    with pytest.raises(UnavailableError, match="InvalidCatalogNameError"):
        async with laid_foundation(settings, metrics_dir=tmp_path / "metrics"):
            pass


async def test_a_database_that_does_not_come_back_at_first_is_tried_again(tmp_path: Path) -> None:
    server, ending = EmbeddedPostgres(tmp_path / "postgres", is_durable=False), asyncio.Event()
    await asyncio.to_thread(server.start)
    version = tmp_path / "postgres" / "cluster" / "PG_VERSION"
    hidden = version.with_name("hidden")
    with capture_logs() as lines:
        keeping = asyncio.create_task(_keep_running(server, ending))
        version.rename(hidden)  # an error of the system, and none of ours
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while not any(line["event"] == "database_not_back" for line in lines):
                await asyncio.sleep(0.01)
        hidden.rename(version)
        async with asyncio.timeout(10):
            while not any(line["event"] == "database_back" for line in lines):
                await asyncio.sleep(0.01)
    ending.set()
    await keeping
    is_back = server.is_running
    await asyncio.to_thread(server.stop)

    assert is_back
