"""`sekisho`: every command by its name, loaded when it is called, ended with an exit code."""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

from cyclopts import App, CycloptsError

from gateway.cli.output import ExitCode, errors, tell_error

# Name → where it lives. A module that is not there yet is not offered.
COMMANDS: Final = {
    "demo": "gateway.cli.demo:app",
    "serve": "gateway.cli.serve:serve",
    "core": "gateway.cli.core:app",
    "resident-network": "gateway.cli.resident_network:app",
    "witness": "gateway.cli.serve:witness",
    "status": "gateway.cli.serve:status",
    "drain": "gateway.cli.serve:drain",
    "unlock": "gateway.cli.serve:unlock",
    "migrate": "gateway.cli.migrate:app",
    "certs": "gateway.cli.certs:app",
    "policies": "gateway.cli.policies:app",
    "clients": "gateway.cli.clients:app",
    "peers": "gateway.cli.peers:app",
    "cosigning": "gateway.cli.cosigning:app",
    "codes": "gateway.cli.codes:app",
    "replicas": "gateway.cli.replicas:app",
    "inquiries": "gateway.cli.inquiries:app",
    "staff": "gateway.cli.staff:app",
    "holds": "gateway.cli.holds:app",
    "flags": "gateway.cli.flags:app",
    "switches": "gateway.cli.switches:app",
    "records": "gateway.cli.records:app",
    "retention": "gateway.cli.retention:app",
    "backup": "gateway.cli.backup:app",
    "bench": "gateway.cli.bench:app",
}


def program_version() -> str:
    """Return the version of the installed program."""
    return version("sekisho")


def build_app() -> App:
    """Return the command line, its commands not loaded yet."""
    app = App(
        name="sekisho",
        help="An open intermediary gateway for information-provision networks.",
        version=program_version,
        suppress_keyboard_interrupt=False,
    )
    for name, place in COMMANDS.items():
        if find_spec(place.partition(":")[0]) is not None:
            app.command(place, name=name)
    return app


def run(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed, 2 usage, 3 refused by rule, 4 withheld."""
    sys.exit(call(build_app(), sys.argv[1:] if arguments is None else arguments))


def call(app: App, arguments: list[str]) -> int:
    """Run one command and return its exit code; every error becomes one line on stderr."""
    try:
        result = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        errors.print(f"sekisho: {error}", markup=False)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001  # the outermost place: nobody sees a traceback
        return tell_error(error)
    return int(result) if isinstance(result, int) else ExitCode.DONE
