"""`sekisho retention`: what is past its term, ending it now, and what two people agree to end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.cli.control_calls import call
from gateway.cli.output import ExitCode, errors, print_fields, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Reach, path_id
from gateway.errors import InvalidRequestError, NotFoundError
from gateway.settings import config_path, load_settings

COLUMNS: Final = ("term", "due", "next", "done", "problem", "kept")
MONTH_COLUMNS: Final = ("month", "state", "due_at", "is_due", "is_held", "approvals")
HOLD_COLUMNS: Final = ("id", "first_month", "last_month", "ground", "maker", "set_at", "lifted_at")

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
    result, code = call(settings, command, {})
    if code is not ExitCode.DONE:
        return code
    if json:
        print_json(result)
    elif isinstance(rows := result.get("terms"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE


@app.command
def months(*, reach: Reach = NEAR) -> int:
    """List the months of the record log: when each is due, whether it is held, who agreed.

    Args:
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        page = client.get("/v1/erasures", {})
    return _tell_rows(page, "months", MONTH_COLUMNS, json=reach.json)


@app.command
def evidence(month: str, *, reach: Reach = NEAR) -> int:
    """Show what proves that a month was erased: approvals, the erasure, the end of the last copy.

    Each entry comes with its leaf, its proof (a C2SP tlog-proof) and its private part; that
    somebody opened it is recorded. With --json it is the document to hand to an auditor.

    Args:
        month: The month, as 2019-05.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        page = client.get("/v1/erasures", {}).get("months")
        rows = page if isinstance(page, list) else []
        row = next((one for one in rows if one["month"] == month), None)
        if row is None:
            raise NotFoundError(f"{month}: the log has no such month")
        entries = [client.get(f"/v1/records/{path_id(one)}") for one in row["evidence"]]
    if reach.json:
        print_json({**row, "evidence": entries})
        return ExitCode.DONE
    print_fields({name: value for name, value in row.items() if name != "evidence"})
    for entry in entries:
        record, private = entry.get("record"), entry.get("private")
        print_fields(record if isinstance(record, dict) else {})
        print_fields(private if isinstance(private, dict) else {})
    return ExitCode.DONE


@app.command
def approve(month: str, *, reach: Reach = NEAR) -> int:
    """Agree that a month of records goes for good; it takes two people.

    Args:
        month: The month, as 2019-05.
        reach: Where the gateway is.
    """
    client = reach.client()
    with reach.answers() as answers:
        body = {"credential": answers.credential()}
        row = client.post(f"/v1/erasures/{_path_month(month)}/approvals", body)
    print_one(row, as_json=reach.json)
    return ExitCode.DONE


@app.command
def hold(first_month: str, last_month: str, *, ground: str, reach: Reach = NEAR) -> int:
    """Keep months whatever their age (legal hold); what was agreed before is void.

    Args:
        first_month: The first month, as 2019-05.
        last_month: The last month.
        ground: Why; nobody's name or number.
        reach: Where the gateway is.
    """
    body = {"first_month": first_month, "last_month": last_month, "ground": ground}
    with reach.signed_in() as client:
        made = client.post("/v1/legal-holds", body)
    print_one(made, as_json=reach.json)
    return ExitCode.DONE


@app.command
def lift(legal_hold_id: str, *, reach: Reach = NEAR) -> int:
    """Lift a legal hold.

    Args:
        legal_hold_id: The legal hold's id.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        client.post(f"/v1/legal-holds/{path_id(legal_hold_id)}/lifting")
    lifted = {"id": legal_hold_id, "done": "lifted"}
    print_one(lifted, as_json=reach.json)
    return ExitCode.DONE


@app.command
def holds(*, reach: Reach = NEAR) -> int:
    """List legal holds, newest first.

    Args:
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        page = client.get("/v1/legal-holds", {})
    return _tell_rows(page, "legal_holds", HOLD_COLUMNS, json=reach.json)


def _path_month(text: str) -> str:
    if not (text.isascii() and text.replace("-", "").isdigit()):
        raise InvalidRequestError("a month is written as 2019-05")
    return text


def _tell_rows(
    page: Mapping[str, object], name: str, columns: tuple[str, ...], *, json: bool
) -> int:
    if json:
        print_json(page)
    elif isinstance(rows := page.get(name), list):
        print_rows(rows, columns=columns)
    return ExitCode.DONE
