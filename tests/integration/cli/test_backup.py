"""`sekisho backup`: as an operator uses it, and killed at the worst moment."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from certs.keystore import KeyStore, MasterKey
from certs.network import init_network
from gateway.app.own_folder import own_folder
from gateway.cli.main import build_app, call
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.domain.backup import DATABASE, KEY_STORE
from gateway.flows.backup_folder import last_successes
from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres, running_dsn
from tests.conftest import Dsns, NewDatabase, new_databases
from tests.integration.backups import digests, execute
from tests.integration.record_log import somebody_waits

SETTINGS = """
role = "core"
environment = "test"
organisation = "core"
data_dir = "{data}"
[network]
name = "{network}"
keys_dir = "{keys}"
[master_key]
path = "master.key"
[listeners.network]
port = 0
[listeners.ops]
port = 0
[backup]
public_key = "backup.pub"
[database]
dsn = "{dsns.app}"
owner_dsn = "{dsns.owner}"
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backup") / "network"
    names = [cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS]
    ports = {name: 1024 + place for place, name in enumerate(names)}
    init_network(
        cast.network_spec(ports, environment="test"),
        folder,
        allow_list=cast.allow_list().to_document(),
        now=datetime.now(UTC),
    )
    return folder / "organisations" / cast.CORE / "keys"


@pytest.fixture
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody at the terminal of one instance."""

    folder: Path
    keys: Path
    capsys: pytest.CaptureFixture[str]
    config: str = "settings.toml"

    def write(self, dsns: Dsns, *, data: str = "data") -> None:
        text = SETTINGS.format(data=data, network=cast.NETWORK, keys=self.keys, dsns=dsns)
        (self.folder / self.config).write_text(text)

    @property
    def second_place(self) -> Path:
        return self.folder / "second-place"

    async def run(self, *arguments: object) -> tuple[int, dict[str, Any], str]:
        """Return exit code, JSON document and the last line of stderr."""
        line = ["backup", *map(str, arguments), "--json"]
        if arguments[0] != "make-key":
            line += ["--config", str(self.folder / self.config)]
        code = await asyncio.to_thread(call, build_app(), line)
        said = self.capsys.readouterr()
        return code, json.loads(said.out or "{}"), said.err.strip()


@pytest.fixture
async def operator(
    tmp_path: Path, keys: Path, dsns: Dsns, capsys: pytest.CaptureFixture[str]
) -> Operator:
    someone = Operator(folder=tmp_path, keys=keys, capsys=capsys)
    someone.write(dsns)
    code, made, _ = await someone.run("make-key", tmp_path / "backup.key", tmp_path / "backup.pub")
    assert (code, len(made["key_id"])) == (ExitCode.DONE, 64)
    KeyStore.create(
        tmp_path / "data" / "keys",
        MasterKey.generate(),
        network=cast.NETWORK,
        organisation=cast.CORE,
    )
    person = "INSERT INTO staff (staff_id, name, roles) VALUES ($1, 'b', '{auditor}')"
    await execute(dsns.owner, person, "a" * 32)
    return someone


async def test_a_database_goes_to_a_second_place_and_comes_back(
    operator: Operator, dsns: Dsns, new_database: NewDatabase
) -> None:
    to, private = operator.second_place, operator.folder / "backup.key"
    code, made, _ = await operator.run("create", "--to", to)
    folder = Path(made["folder"])
    looked = await operator.run("verify", folder)
    opened = await operator.run("verify", folder, "--private-key", private)
    stored = await digests(dsns.owner)
    full = await operator.run("restore", folder, "--private-key", private)
    other = await new_database()
    operator.write(other)
    with own_folder(operator.folder / "data"):
        running = await operator.run("restore", folder, "--private-key", private)
    restored = await operator.run("restore", folder, "--private-key", private)

    assert (code, [path.name for path in to.iterdir()]) == (0, [folder.name])
    assert (looked[0], looked[1]["sound"], looked[1]["opened"]) == (0, True, False)
    assert (opened[0], opened[1]["sound"], opened[1]["rows"]) == (0, True, made["rows"])
    assert full[0] == ExitCode.REFUSED
    assert "the database is not empty: staff" in full[2]
    assert running[0] == ExitCode.USAGE
    assert "in use by another instance" in running[2]
    assert (restored[0], restored[1]["rows"]) == (0, made["rows"])
    assert restored[2] == ""  # only a gateway's exchanges are stopped
    assert await digests(other.owner) == stored
    assert list(last_successes(operator.folder / "data", (DATABASE, KEY_STORE))) == [DATABASE]


async def test_a_copy_of_the_key_store_goes_its_own_way(operator: Operator, dsns: Dsns) -> None:
    to, private = operator.second_place, operator.folder / "backup.key"
    old = to / f"sekisho-key-store-{cast.NETWORK}.core-20200101T000000Z-01234567"
    old.mkdir(parents=True)
    namesake = to / old.name.replace(cast.NETWORK, "other-network")
    namesake.mkdir()
    code, made, _ = await operator.run("create", "--key-store", "--to", to)
    folder = made["folder"]
    listed = await operator.run("copies")
    mixed = await operator.run("create", "--to", to)
    gone = await operator.run("copies", "--gone", to)
    unknown = await operator.run("copies", "--gone", operator.folder)
    looked = await operator.run("verify", folder, "--private-key", private)
    there = await operator.run("restore", folder, "--private-key", private)
    operator.write(dsns, data="new-machine")
    said = await operator.run("restore", folder, "--private-key", private, "--nothing-lost")
    restored = await operator.run("restore", folder, "--private-key", private)

    assert (code, made["keys"], made["removed"]) == (0, 0, [old.name])
    assert namesake.exists()
    (copy,) = listed[1]["copies"]
    assert (copy["place"], copy["is_there"], copy["ended"]) == (str(to), True, None)
    assert Path(folder).name == copy["copy"]
    assert mixed[0] == ExitCode.REFUSED
    assert "holds our backups of the key store" in mixed[2]
    assert [one["ended"] for one in gone[1]["copies"]] == ["place-gone"]
    assert unknown[0] == ExitCode.FAILED
    assert (looked[0], looked[1]["sound"]) == (0, True)
    assert (there[0], "already-a-store" in there[2]) == (ExitCode.FAILED, True)
    assert said[0] == ExitCode.USAGE
    assert (restored[0], restored[1]) == (0, {"restored": KEY_STORE, "keys": 0})
    files = [operator.folder / place / "keys" / "store.json" for place in ("data", "new-machine")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert list(last_successes(operator.folder / "data", (DATABASE, KEY_STORE))) == [KEY_STORE]


async def test_what_is_wrong_is_told_with_its_place_and_an_exit_code(operator: Operator) -> None:
    _, made, _ = await operator.run("create", "--to", operator.second_place)
    folder = Path(made["folder"])
    (folder / "staff.sealed").write_bytes(b"x")
    looked = await operator.run("verify", folder)
    restored = await operator.run(
        "restore", folder, "--private-key", operator.folder / "backup.key"
    )
    text = (operator.folder / operator.config).read_text()
    (operator.folder / operator.config).write_text(text.replace("public_key", "# public_key"))
    keyless = await operator.run("create", "--to", operator.second_place)

    assert looked[0] == ExitCode.FAILED
    assert looked[1]["faults"] == [{"reason": "not-sealed", "where": "staff.sealed"}]
    assert restored[0] == ExitCode.FAILED
    assert "not-sealed: staff.sealed" in restored[2]
    assert (keyless[0], "backup.public_key" in keyless[2]) == (ExitCode.USAGE, True)


async def test_a_backup_killed_on_its_way_is_none_and_the_next_one_clears_it_away(
    operator: Operator, dsns: Dsns, database: Database
) -> None:
    held = await asyncpg.connect(dsns.superuser)
    await held.execute("BEGIN; LOCK TABLE subject_flags IN ACCESS EXCLUSIVE MODE")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "gateway", "backup", "create"),
        *("--to", str(operator.second_place), "--config", str(operator.folder / operator.config)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    await somebody_waits(database)
    at_once = await operator.run("create", "--to", operator.second_place)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await held.close()
    (draft,) = operator.second_place.iterdir()
    left = {path.name for path in draft.iterdir()}
    looked = await operator.run("verify", draft)
    code, made, _ = await operator.run("create", "--to", operator.second_place)

    assert (at_once[0], "another backup" in at_once[2]) == (ExitCode.FAILED, True)
    assert draft.name.startswith(f".sekisho-database-{cast.NETWORK}.core-")
    assert "staff.sealed" in left
    assert looked[0] == ExitCode.FAILED
    assert looked[1]["faults"][0]["reason"] == "no-manifest"
    assert code == 0
    assert [str(path) for path in operator.second_place.iterdir()] == [made["folder"]]


def test_a_running_embedded_server_is_found_by_its_folder(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert running_dsn(postgres._folder, OWNER_ROLE) == postgres.dsn(OWNER_ROLE)
    assert running_dsn(tmp_path, OWNER_ROLE) is None
