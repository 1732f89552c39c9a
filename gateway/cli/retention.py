"""`sekisho retention`: what is past its term, and ending it now."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.app.control import call_control
from gateway.cli.output import ExitCode, errors, print_json, print_rows
from gateway.settings import config_path, load_settings

COLUMNS: Final = ("term", "due", "next", "done", "problem", "kept")

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Yes = Annotated[bool, Parameter(negative="")]

app = App(name="retention", help="Terms of everything that is kept, and what ends it.")


@app.command
def plan(*, config: Config = None, json: Json = False) -> int:
    """Tell what is due when, and when each term was last seen to; counts only.

    Args:
        config: The settings of the running instance.
        json: Print one JSON document.
    """
    return _ask("retention-plan", config, json=json)


@app.command
def run(
    *, dry_run: Yes = False, now: Yes = False, config: Config = None, json: Json = False
) -> int:
    """End what is due, or say what would be ended.

    Args:
        dry_run: End nothing; print the plan.
        now: End what is due now, without waiting for the job to come round.
        config: The settings of the running instance.
        json: Print one JSON document.
    """
    if dry_run == now:
        errors.print("sekisho: either --dry-run or --now", markup=False)
        return ExitCode.USAGE
    return _ask("retention-plan" if dry_run else "retention-run", config, json=json)


def _ask(command: str, config: Path | None, *, json: bool) -> int:
    settings = load_settings(config_path(config))
    reply = call_control(settings.control_socket, command)
    if reply.problem is not None:
        errors.print(f"sekisho: {reply.problem.get('title')}", markup=False)
        return ExitCode.FAILED
    result = reply.result or {}
    if json:
        print_json(result)
    elif isinstance(rows := result.get("terms"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE
