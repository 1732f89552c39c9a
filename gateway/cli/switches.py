"""`sekisho switches`: stop exchanges, let them go on."""

from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from gateway.cli.output import ExitCode, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Reach, path_id

COLUMNS: Final = ("id", "by", "value", "reason", "maker", "set_at", "until", "lifted_at")
By = Literal["procedure", "information", "counterparty", "body", "all"]

app = App(name="switches", help="Stop switches: each binds everything committed after it.")


@app.command(name="set")
def set_switch(
    by: By, value: str = "", *, reason: str, until: str | None = None, reach: Reach = NEAR
) -> int:
    """Stop exchanges of a procedure, an information, a counterparty, a body, or all.

    Args:
        by: What the switch is about.
        value: Which procedure, term or scope, organisation or body; nothing for `all`.
        reason: Why; nobody's name or number.
        until: When it ends by itself, as 2026-07-01T00:00:00.000Z; else it is lifted.
        reach: Where the gateway is.
    """
    body = {"by": by, "value": value, "reason": reason}
    if until is not None:
        body["until"] = until
    with reach.signed_in() as client:
        made = client.post("/v1/switches", body)
    print_one(made, as_json=reach.json)
    return ExitCode.DONE


@app.command
def lift(switch_id: str, *, reach: Reach = NEAR) -> int:
    """Let exchanges go on.

    Args:
        switch_id: The switch's id.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        client.post(f"/v1/switches/{path_id(switch_id)}/lifting")
    lifted = {"id": switch_id, "done": "lifted"}
    print_one(lifted, as_json=reach.json)
    return ExitCode.DONE


@app.command(name="list")
def list_switches(
    *,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    after: str | None = None,
    limit: int = 50,
    reach: Reach = NEAR,
) -> int:
    """List what stops exchanges now.

    Args:
        every: Lifted and ended ones too, newest first.
        after: Where the page before ended; with --all.
        limit: At most so many; with --all.
        reach: Where the gateway is.
    """
    query = {"all": "true", "after": after, "limit": limit} if every else {}
    with reach.signed_in() as client:
        page = client.get("/v1/switches", query)
    if reach.json:
        print_json(page)
    elif isinstance(rows := page.get("switches"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE
