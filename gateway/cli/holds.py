"""`sekisho holds`: look at answers kept back, let them go, refuse them.

Nobody is named who decides: that is whoever proves a credential when the command asks for it.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.output import ExitCode, print_fields, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Reach, path_id
from gateway.errors import ConfigurationError, InvalidRequestError
from policies.release import RefusalGround

COLUMNS: Final = (
    "id",
    "state",
    "inquirer",
    "procedure",
    "information",
    "reasons",
    "approvals",
    "approvals_needed",
    "deadline",
)
State = Annotated[str | None, Parameter(name="--state")]

app = App(name="holds", help="Answers kept back until people let them go.")


@app.command(name="list")
def list_holds(
    *, state: State = None, after: str | None = None, limit: int = 50, reach: Reach = NEAR
) -> int:
    """List held answers, newest first.

    Args:
        state: Only those: waiting, released, refused, delivered, lapsed or stopped.
        after: Where the page before ended.
        limit: At most so many.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        page = client.get("/v1/holds", {"state": state, "after": after, "limit": limit})
    if reach.json:
        print_json(page)
    elif isinstance(rows := page.get("holds"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE


@app.command
def show(hold_id: str, *, reach: Reach = NEAR) -> int:
    """Show what would go out, and the digest that an approval is of.

    Args:
        hold_id: The hold's id.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        preview = client.get(f"/v1/holds/{path_id(hold_id)}")
    if reach.json:
        print_json(preview)
    else:
        _print_preview(preview)
    return ExitCode.DONE


@app.command
def approve(hold_id: str, *, digest: str | None = None, reach: Reach = NEAR) -> int:
    """Approve exactly what was shown; whoever proves a credential now is the approver.

    Without --digest the preview is shown first, and the credential asked for once more.

    Args:
        hold_id: The hold's id.
        digest: The digest that `holds show` gave.
        reach: Where the gateway is.
    """
    client, path = reach.client(), f"/v1/holds/{path_id(hold_id)}"
    with reach.answers() as answers:
        if digest is None:
            if not answers.is_person:
                raise ConfigurationError("--digest: what is approved must have been looked at")
            with client.signed_in(answers.credential()):
                preview = client.get(path)
            _print_preview(preview)
            _confirm("Let exactly this go?")
            digest = str(preview["digest"])
        body = {"credential": answers.credential(), "digest": digest}
        print_one(client.post(f"{path}/approvals", body), as_json=reach.json)
    return ExitCode.DONE


@app.command
def refuse(hold_id: str, *, ground: RefusalGround, reach: Reach = NEAR) -> int:
    """Refuse to provide, on a ground of the closed list; providing is a duty (法22①).

    Args:
        hold_id: The hold's id.
        ground: Why.
        reach: Where the gateway is.
    """
    client = reach.client()
    with reach.answers() as answers:
        body = {"credential": answers.credential(), "ground": ground.value}
        print_one(client.post(f"/v1/holds/{path_id(hold_id)}/refusal", body), as_json=reach.json)
    return ExitCode.DONE


def _print_preview(preview: Mapping[str, object]) -> None:
    hold = preview.get("hold")
    shown = {name: value for name, value in preview.items() if name not in {"hold", "payload"}}
    print_fields({**(hold if isinstance(hold, dict) else {}), **shown})
    print_json(preview.get("payload"))


def _confirm(question: str) -> None:
    if input(f"{question} [y/N] ").strip().lower() != "y":
        raise InvalidRequestError("not confirmed")
