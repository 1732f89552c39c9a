"""`sekisho core`: run the network's core, tell what it publishes."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from certs.publish import read_directory
from codes.canonical import instant
from gateway.cli.core_disclosure import disclose
from gateway.cli.output import ExitCode, print_one
from gateway.cli.serve import core
from gateway.errors import ConfigurationError
from gateway.settings import config_path, load_settings

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(name="core", help="The network's core: permits, codes, directory.")
app.default(core)
app.command(disclose)


@app.command
def directory(*, config: Config = None, json: Json = False) -> int:
    """Show the directory version beside the core's keys, which a running core publishes.

    Args:
        config: The settings of the core's instance.
        json: Print one JSON document.
    """
    path = config_path(config)
    settings = load_settings(path)
    if settings.role != "core":
        raise ConfigurationError(f"{path}: role is {settings.role}, not core")
    present = read_directory(settings.network.keys_dir)
    shown: dict[str, object] = {
        "version": present.version,
        "digest": present.digest,
        "issued": instant(present.issued),
        "expires": instant(present.expires),
        "law_day": present.law_day.isoformat() if present.law_day else None,
        "allow_list_version": present.allow_list_version,
        "allow_list_digest": present.allow_list_digest,
        "organisations": sorted(present.organisations),
    }
    print_one(shown, as_json=json)
    return ExitCode.DONE
