"""`sekisho cosigning`: going on as a witness over a database that came without its marks."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.control_calls import call
from gateway.cli.output import print_json, print_rows
from gateway.settings import config_path, load_settings

COLUMNS: Final = ("organisation", "slot", "size", "root")

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(name="cosigning", help="Logs of others that this witness may have signed more of.")


@app.command(name="list")
def list_streams(*, config: Config = None, json: Json = False) -> int:
    """List the logs that are not cosigned, and up to where this database remembers them.

    Args:
        config: The settings of the instance.
        json: Print one JSON document.
    """
    return _tell("cosigning-list", config, json=json)


@app.command
def accept(*, config: Config = None, json: Json = False) -> int:
    """Go on from what this database remembers, because nothing better can be brought.

    Args:
        config: The settings of the instance.
        json: Print one JSON document.
    """
    return _tell("cosigning-accept", config, json=json)


def _tell(command: str, config: Path | None, *, json: bool) -> int:
    result, code = call(load_settings(config_path(config)), command, {})
    if json:
        print_json(result)
    elif isinstance(rows := result.get("streams"), list):
        print_rows(rows, columns=COLUMNS)
    return code
