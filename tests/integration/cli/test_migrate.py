"""`sekisho migrate` on the embedded database and on one behind a DSN."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import build_app, call
from gateway.cli.output import ExitCode
from gateway.storage.migrate import shipped_migrations
from tests.conftest import Dsns

_SETTINGS = """
role = "core"
environment = "test"
organisation = "core"
data_dir = "data"
[network]
name = "test"
keys_dir = "keys"
[master_key]
path = "master.key"
[listeners.network]
port = 0
[listeners.ops]
port = 0
[database]
"""


def _migrate(folder: Path, database: str = "", *options: str) -> int:
    settings = folder / "settings.toml"
    settings.write_text(_SETTINGS + database)
    return call(build_app(), ["migrate", "--config", str(settings), *options])


def test_an_embedded_database_is_made_and_migrated_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _migrate(tmp_path, "", "--json") == ExitCode.DONE
    first = json.loads(capsys.readouterr().out)
    assert _migrate(tmp_path) == ExitCode.DONE

    assert first == {"applied": [migration.name for migration in shipped_migrations()]}
    assert capsys.readouterr().out == "nothing to apply\n"


def test_a_database_behind_a_dsn_is_migrated_as_its_owner(
    tmp_path: Path, dsns: Dsns, capsys: pytest.CaptureFixture[str]
) -> None:
    database = f'dsn = "{dsns.app}"\nowner_dsn = "{dsns.owner}"\n'

    assert _migrate(tmp_path, database) == ExitCode.DONE
    assert capsys.readouterr().out == "nothing to apply\n"


def test_without_the_owner_s_dsn_nothing_is_migrated(
    tmp_path: Path, dsns: Dsns, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _migrate(tmp_path, f'dsn = "{dsns.app}"\n') == ExitCode.USAGE
    assert "database.owner_dsn" in capsys.readouterr().err
