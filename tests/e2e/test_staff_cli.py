"""The command line as people and scripts use it."""

import pytest

from certs.passwords import Totp
from gateway.cli.output import ExitCode
from gateway.demo import cast
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import PASSWORD, Person, first_account, run_cli, staff_client
from tests.e2e.test_release import a_withheld_inquiry

HERE = cast.NAGAOKA


@pytest.fixture(scope="module")
async def root(network: Network) -> Person:
    return await first_account(network, HERE)


async def somebody(network: Network, root: Person, name: str, role: str) -> Person:
    """Make an account and take it into use, by two commands."""
    added = await run_cli(
        network, HERE, "staff", "add", name, "--role", role, lines=[root.credential()]
    )
    assert added.code == ExitCode.DONE
    line = {
        "name": name,
        "enrolment_code": added.json["enrolment_code"],
        "new_password": PASSWORD,
    }
    enrolled = await run_cli(network, HERE, "staff", "enrol", lines=[line])
    assert enrolled.code == ExitCode.DONE
    return Person(
        name=name,
        staff_id=added.json["staff_id"],
        factor=Totp.from_base32(enrolled.json["totp_secret"]),
        client=staff_client(network, HERE),
    )


async def test_a_held_answer_is_listed_shown_and_approved_by_commands(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    approver = await somebody(network, root, "alice", "approver")

    shown = await run_cli(
        network, HERE, "holds", "show", row.hold_id, lines=[approver.credential()]
    )
    approved = await run_cli(
        network,
        HERE,
        *("holds", "approve", row.hold_id, "--digest", shown.json["digest"]),
        lines=[approver.credential()],
    )

    assert (shown.code, shown.json["hold"]["id"]) == (ExitCode.DONE, row.hold_id)
    assert approved.code == ExitCode.DONE
    assert (approved.json["state"], approved.json["approvals"]) == ("waiting", 1)


async def test_a_script_approves_nothing_it_did_not_name_by_its_digest(network: Network) -> None:
    ran = await run_cli(network, HERE, "holds", "approve", "0" * 32, lines=[])

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")


async def test_a_role_that_may_not_ends_with_refused(network: Network, root: Person) -> None:
    clerk = await somebody(network, root, "clara", "clerk")

    ran = await run_cli(network, HERE, "staff", "list", lines=[clerk.credential()])

    assert ran.code == ExitCode.REFUSED


async def test_a_wrong_password_ends_with_failed(network: Network) -> None:
    line = {"name": "nobody-here", "password": "x", "totp": "000000"}

    ran = await run_cli(network, HERE, "holds", "list", lines=[line])

    assert ran.code == ExitCode.FAILED


async def test_a_line_of_another_shape_is_a_mistake_in_usage(network: Network) -> None:
    ran = await run_cli(network, HERE, "holds", "list", lines=[{"name": "alice"}])

    assert ran.code == ExitCode.USAGE
