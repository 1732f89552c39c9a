"""`sekisho peers`: peers whose keys do not continue those seen before, at a running gateway."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.control_calls import call, tell
from gateway.cli.output import print_json, print_rows
from gateway.settings import config_path, load_settings

COLUMNS: Final = ("organisation", "key_set", "first_seen", "taken_over_at", "known_until")

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(name="peers", help="Peers whose new keys somebody has to compare.")


@app.command(name="list")
def list_peers(*, config: Config = None, json: Json = False) -> int:
    """List the peers that are held on the keys they had before.

    Args:
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    result, code = call(load_settings(config_path(config)), "peers-list", {})
    if json:
        print_json(result)
    elif isinstance(rows := result.get("peers"), list):
        print_rows(rows, columns=COLUMNS)
    return code


@app.command
def show(organisation: str, *, config: Config = None, json: Json = False) -> int:
    """Show what is known of a held peer and what the directory lists of it now.

    Args:
        organisation: The peer.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    settings = load_settings(config_path(config))
    return tell(settings, "peers-show", {"organisation": organisation}, json=json)


@app.command
def confirm(organisation: str, *, digest: str, config: Config = None, json: Json = False) -> int:
    """Believe a peer's new keys, because their digest was compared with the peer itself.

    Args:
        organisation: The peer.
        digest: The digest (64 hex digits) that the peer read out; never copied from `show`.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    settings = load_settings(config_path(config))
    arguments = {"organisation": organisation, "digest": digest}
    return tell(settings, "peers-confirm", arguments, json=json)
