"""Commands to a running instance over its control socket, and their answers as exit codes."""

from collections.abc import Mapping

from gateway.app.control import call_control
from gateway.cli.output import ExitCode, errors, print_one
from gateway.settings import Settings


def call(
    settings: Settings, command: str, arguments: Mapping[str, object]
) -> tuple[Mapping[str, object], ExitCode]:
    """Return what came of a command; a refusal is told and becomes its exit code."""
    reply = call_control(settings.control_socket, command, arguments)
    if reply.problem is None:
        return reply.result or {}, ExitCode.DONE
    detail = reply.problem.get("detail") or reply.problem.get("title")
    errors.print(f"sekisho: {detail}", markup=False)
    match reply.problem.get("status"):
        case 403:
            return {}, ExitCode.REFUSED
        case 400 | 422:
            return {}, ExitCode.USAGE
        case _:
            return {}, ExitCode.FAILED


def tell(
    settings: Settings, command: str, arguments: Mapping[str, object], *, json: bool
) -> ExitCode:
    """Print what came of a command and return its exit code."""
    result, code = call(settings, command, arguments)
    if result:
        print_one(result, as_json=json)
    return code
