"""`sekisho flags`: what is said of a person's answers, records and views (LAW *Flags*).

A person's number is asked for after the credential, or stands in a line of --credentials-fd; it
is never an argument.
"""

from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.output import ExitCode, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Reach, path_id
from policies.release import Flag as FlagKind

COLUMNS: Final = ("id", "kind", "term", "item", "reason", "maker", "set_at", "until", "lifted_at")
NUMBER: Final = "unified_number"

app = App(name="flags", help="Flags of people: automatic answers, disclosure, own views.")


@app.command(name="set")
def set_flag(
    kind: FlagKind,
    *,
    reason: str,
    term: str | None = None,
    item: str | None = None,
    until: str | None = None,
    reach: Reach = NEAR,
) -> int:
    """Set a flag of a person; what it holds back, its maker does not approve.

    Args:
        kind: Which of the three flags.
        reason: Why; nobody's name or number.
        term: Only for this information (its term id).
        item: Only for this item of the term.
        until: When it ends by itself, as 2026-07-01T00:00:00.000Z; else it is lifted.
        reach: Where the gateway is.
    """
    given = {"kind": kind.value, "reason": reason, "term": term, "item": item, "until": until}
    client = reach.client()
    with reach.answers() as answers:
        credential = answers.credential()
        body = {name: value for name, value in given.items() if value is not None}
        body |= answers.ask(NUMBER)
    with client.signed_in(credential):
        made = client.post("/v1/flags", body)
    print_one(made, as_json=reach.json)
    return ExitCode.DONE


@app.command
def lift(flag_id: str, *, reason: str, reach: Reach = NEAR) -> int:
    """Lift a flag, whoever set it.

    Args:
        flag_id: The flag's id.
        reason: Why; nobody's name or number.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        client.post(f"/v1/flags/{path_id(flag_id)}/lifting", {"reason": reason})
    lifted = {"id": flag_id, "done": "lifted"}
    print_one(lifted, as_json=reach.json)
    return ExitCode.DONE


@app.command
def show(
    *, every: Annotated[bool, Parameter(name="--all", negative="")] = False, reach: Reach = NEAR
) -> int:
    """Show a person's flags; that somebody looked is recorded.

    Args:
        every: Lifted and ended ones too.
        reach: Where the gateway is.
    """
    client = reach.client()
    with reach.answers() as answers:
        credential = answers.credential()
        number = answers.ask(NUMBER)
    with client.signed_in(credential):
        found = client.post("/v1/flags:lookup", {**number, "all": every})
    if reach.json:
        print_json(found)
    elif isinstance(rows := found.get("flags"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE
