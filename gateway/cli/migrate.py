"""`sekisho migrate`: bring the database's schema up to this release."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gateway.cli.output import ExitCode, out, print_json
from gateway.errors import ConfigurationError
from gateway.settings import Settings, config_path, load_settings
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import Migration, migrate

app = App(name="migrate", help="Bring the database's schema up to this release.")


@app.default
def run(
    *,
    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Apply what is missing, as the owner of the tables; doing it again does nothing.

    Args:
        config: The settings (TOML); else the file SEKISHO_CONFIG names.
        json: Print one JSON document.
    """
    applied = _migrate(load_settings(config_path(config)))
    names = [migration.name for migration in applied]
    if json:
        print_json({"applied": names})
    elif names:
        for name in names:
            out.print(f"applied {name}")
    else:
        out.print("nothing to apply")
    return ExitCode.DONE


def _migrate(settings: Settings) -> list[Migration]:
    if settings.database.owner_dsn is not None:
        return asyncio.run(migrate(settings.database.owner_dsn))
    if settings.database.dsn is not None:
        raise ConfigurationError("database.owner_dsn: needed to migrate a database with a dsn")
    is_durable = settings.environment != "test"
    with EmbeddedPostgres(settings.database_dir, is_durable=is_durable) as server:
        return asyncio.run(migrate(server.dsn(OWNER_ROLE)))
