"""`sekisho staff`: accounts of the gateway's people, made, taken into use, changed."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from gateway.app.control import call_control
from gateway.cli.output import ExitCode, errors, print_json, print_one, print_rows
from gateway.cli.staff_options import NEAR, Reach, path_id
from gateway.errors import InvalidRequestError

COLUMNS: Final = ("staff_id", "name", "roles", "state", "added_at")
Roles = Annotated[tuple[str, ...], Parameter(name="--role", negative="")]
Flag = Annotated[bool, Parameter(negative="")]

app = App(name="staff", help="People of the gateway: accounts, roles, credentials.")


@app.command
def add(name: str, *, role: Roles = (), first: Flag = False, reach: Reach = NEAR) -> int:
    """Make an account; its person takes it into use with `staff enrol`.

    Args:
        name: The name to sign in with: 2 to 32 of a-z, 0-9, '.', '_', '-'.
        role: What the person is here for; may be repeated.
        first: Make the first account, an administrator's, over the control socket.
        reach: Where the gateway is.
    """
    if first:
        return _add_first(name, role, reach)
    with reach.signed_in() as client:
        made = client.post("/v1/staff", {"name": name, "roles": list(role)})
    print_one(made, as_json=reach.json)
    return ExitCode.DONE


@app.command
def enrol(*, reach: Reach = NEAR) -> int:
    """Take an account into use: choose a password, get a second factor (shown this once).

    Asked for, or a line of --credentials-fd: name, enrolment_code, new_password and, for a token
    the person brings, totp_secret.

    Args:
        reach: Where the gateway is.
    """
    client = reach.client()
    with reach.answers() as answers:
        given = answers.ask("name", "enrolment_code", "new_password", optional=("totp_secret",))
    body = {
        ("password" if name == "new_password" else name): value for name, value in given.items()
    }
    print_one(client.post("/v1/enrolments", body), as_json=reach.json)
    return ExitCode.DONE


@app.command
def password(*, reach: Reach = NEAR) -> int:
    """Change one's own password.

    Asked for, or two lines of --credentials-fd: the credential, then new_password.

    Args:
        reach: Where the gateway is.
    """
    client = reach.client()
    with reach.answers() as answers:
        credential = answers.credential()
        chosen = answers.ask("new_password")["new_password"]
    client.post("/v1/passwords", {"credential": credential, "password": chosen})
    print_one({"changed": "password"}, as_json=reach.json)
    return ExitCode.DONE


@app.command(name="list")
def list_staff(*, after: str | None = None, limit: int = 50, reach: Reach = NEAR) -> int:
    """List accounts, newest first.

    Args:
        after: Where the page before ended.
        limit: At most so many.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        page = client.get("/v1/staff", {"after": after, "limit": limit})
    if reach.json:
        print_json(page)
    elif isinstance(rows := page.get("staff"), list):
        print_rows(rows, columns=COLUMNS)
    return ExitCode.DONE


@app.command
def roles(staff_id: str, *, role: Roles, reach: Reach = NEAR) -> int:
    """Give an account other roles; its sessions end.

    Args:
        staff_id: The account's id.
        role: The roles from now on; may be repeated.
        reach: Where the gateway is.
    """
    with reach.signed_in() as client:
        client.put(f"/v1/staff/{path_id(staff_id)}/roles", {"roles": list(role)})
    print_one({"staff_id": staff_id, "roles": list(role)}, as_json=reach.json)
    return ExitCode.DONE


@app.command
def disable(staff_id: str, *, reach: Reach = NEAR) -> int:
    """Let nobody in with an account any more; its sessions end.

    Args:
        staff_id: The account's id.
        reach: Where the gateway is.
    """
    return _act(staff_id, "disable", reach)


@app.command
def enable(staff_id: str, *, reach: Reach = NEAR) -> int:
    """Let an account in again.

    Args:
        staff_id: The account's id.
        reach: Where the gateway is.
    """
    return _act(staff_id, "enable", reach)


@app.command
def reset(staff_id: str, *, reach: Reach = NEAR) -> int:
    """Retire somebody's credential; they make another with the enrolment code printed.

    Args:
        staff_id: The account's id.
        reach: Where the gateway is.
    """
    return _act(staff_id, "reset", reach)


def _add_first(name: str, role: tuple[str, ...], reach: Reach) -> int:
    if role:
        raise InvalidRequestError("the first account is an administrator's")
    settings = reach.settings()
    with reach.answers() as answers:
        given = answers.ask("new_password", optional=("totp_secret",))
    arguments = {"name": name, "password": given.pop("new_password"), **given}
    reply = call_control(settings.control_socket, "staff-add", arguments)
    if reply.problem is not None or reply.result is None:
        problem = reply.problem or {}
        errors.print(f"sekisho: {problem.get('title')}", markup=False)
        return ExitCode.REFUSED if problem.get("type") == "staff-rule" else ExitCode.FAILED
    print_one(reply.result, as_json=reach.json)
    return ExitCode.DONE


def _act(staff_id: str, what: str, reach: Reach) -> int:
    with reach.signed_in() as client:
        answer = client.post(f"/v1/staff/{path_id(staff_id)}/{what}")
    print_one({"staff_id": staff_id, "done": what, **answer}, as_json=reach.json)
    return ExitCode.DONE
