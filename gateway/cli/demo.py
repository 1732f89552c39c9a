"""`sekisho demo`: organisations exchange personal information under the real legal table."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.app.control import call_control
from gateway.cli.output import ExitCode, out, print_fields, print_json
from gateway.demo.run import Kept, Result, run
from gateway.demo.story import Story
from gateway.settings import load_settings

Json = Annotated[bool, Parameter(name="--json", negative="")]
Keep = Annotated[bool, Parameter(negative="")]

app = App(name="demo", help="See organisations exchange personal information under the real law.")
_INSTANCES: Final = "instances"
_SETTINGS: Final = "settings.toml"
_PLAIN: Final = "ops"


@app.default
def demo(*, data_dir: Path | None = None, keep: Keep = False, json: Json = False) -> int:
    """Start a whole network on this machine, play seven steps, and end it.

    Six parties as processes of their own, loopback only, 1,000 synthetic residents, law day
    2026-07-01. Ends with 0 only if every step came out as it must.

    Args:
        data_dir: An empty folder to work in; else a temporary one, removed at the end.
        keep: Leave everything running, and print addresses and log-ins.
        json: Print one JSON document instead of the story.
    """
    story = Story(None if json else out)
    result = asyncio.run(run(data_dir=data_dir, keep=keep, story=story))
    if json:
        print_json(result)
    else:
        _tell(result)
    return ExitCode.DONE if result.ok else ExitCode.FAILED


@app.command
def stop(folder: Path) -> None:
    """End what `sekisho demo --keep` left running.

    Args:
        folder: The folder it printed.
    """
    for config in sorted((folder / _INSTANCES).glob(f"*/{_SETTINGS}")):
        settings = load_settings(config)
        reply = call_control(settings.control_socket, "drain")
        state = (reply.result or reply.problem or {}).get("state", "refused")
        print_fields({settings.organisation: state})


def _tell(result: Result) -> None:
    out.print()
    if result.ok:
        out.print(f"All as said, in {result.seconds:.1f} s.", style="bold green")
    else:
        out.print(f"Not all as said, in {result.seconds:.1f} s.", style="bold red")
    if result.kept is not None:
        _tell_kept(result.kept)


def _tell_kept(kept: Kept) -> None:
    """Tell where everything is; whole lines, to be copied."""
    out.print("\nLeft running", style="bold")
    for party, addresses in kept.addresses.items():
        for listener, address in addresses.items():
            scheme = "http" if listener == _PLAIN else "https"
            _line(f"  {party:17} {listener:11} {scheme}://{address}")
    out.print("Back-office systems", style="bold")
    for client, path in kept.clients.items():
        _line(f"  {client:26} {path}")
    out.print("Staff (name, password, TOTP secret)", style="bold")
    for login in kept.staff:
        _line(f"  {login.organisation:17} {login.name:10} {login.password} {login.totp_secret}")
    _line(f"End it: sekisho demo stop {kept.folder}")


def _line(text: str) -> None:
    out.print(text, markup=False)
