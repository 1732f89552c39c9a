"""The command line as people and scripts use it."""

import json
from pathlib import Path

from certs.passwords import Totp
from gateway.cli.output import ExitCode
from gateway.demo import cast
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import (
    PASSWORD,
    Person,
    fresh,
    run_cli,
    run_plain,
    staff_client,
)
from tests.e2e.test_release import a_withheld_inquiry

HERE = cast.NAGAOKA


async def somebody(network: Network, root: Person, name: str, role: str) -> Person:
    """Make an account and take it into use, by two commands."""
    added = await run_cli(
        network, HERE, "staff", "add", name, "--role", role, lines=[await fresh(network, root)]
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
    approver = await somebody(network, root, "adele", "approver")

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
    clerk = await somebody(network, root, "cecilia", "clerk")

    ran = await run_cli(network, HERE, "staff", "list", lines=[clerk.credential()])

    assert ran.code == ExitCode.REFUSED


async def test_a_wrong_password_ends_with_failed(network: Network) -> None:
    line = {"name": "nobody-here", "password": "x", "totp": "000000"}

    ran = await run_cli(network, HERE, "holds", "list", lines=[line])

    assert ran.code == ExitCode.FAILED


async def test_a_line_of_another_shape_is_a_mistake_in_usage(network: Network) -> None:
    ran = await run_cli(network, HERE, "holds", "list", lines=[{"name": "alice"}])

    assert ran.code == ExitCode.USAGE


async def told(network: Network, person: Person, *arguments: str) -> tuple[int, str, str]:
    """Run a command twice, as a script and as a person reads it."""
    scripted = await run_cli(network, HERE, *arguments, lines=[await fresh(network, person)])
    read = await run_plain(network, HERE, *arguments, lines=[await fresh(network, person)])
    assert scripted.code == read.code
    return scripted.code, scripted.out, read.out


async def test_accounts_are_listed_and_changed_by_commands(network: Network, root: Person) -> None:
    person = await somebody(network, root, "paul", "clerk")
    found = [
        await told(network, root, "staff", *arguments)
        for arguments in (
            ("list",),
            ("roles", person.staff_id, "--role", "operator"),
            ("disable", person.staff_id),
            ("enable", person.staff_id),
            ("reset", person.staff_id),
        )
    ]

    assert [code for code, _, _ in found] == [ExitCode.DONE] * 5
    assert person.staff_id in found[0][1]
    assert "operator" in found[1][2]


async def test_a_password_is_changed_by_a_command(network: Network, root: Person) -> None:
    person = await somebody(network, root, "petra", "clerk")
    lines = [await fresh(network, person), {"new_password": "another good password"}]

    changed = await run_cli(network, HERE, "staff", "password", lines=lines)
    person.password = "another good password"
    listed = await run_cli(network, HERE, "holds", "list", lines=[await fresh(network, person)])

    assert (changed.code, listed.code) == (ExitCode.DONE, ExitCode.DONE)


async def test_switches_are_set_listed_and_lifted_by_commands(
    network: Network, root: Person
) -> None:
    operator = await somebody(network, root, "otto", "operator")
    made = await run_cli(
        network,
        HERE,
        *("switches", "set", "counterparty", cast.IMMIGRATION, "--reason", "a test"),
        *("--until", "2100-01-01T00:00:00.000Z"),
        lines=[await fresh(network, operator)],
    )
    everything = await run_plain(
        network,
        HERE,
        *("switches", "set", "all", "--reason", "a test"),
        lines=[await fresh(network, operator)],
    )
    listed = await told(network, operator, "switches", "list")
    every = await told(network, operator, "switches", "list", "--all")
    lifted = await run_plain(
        network,
        HERE,
        *("switches", "lift", made.json["id"]),
        lines=[await fresh(network, operator)],
    )
    again = await run_cli(
        network,
        HERE,
        *("switches", "lift", made.json["id"]),
        lines=[await fresh(network, operator)],
    )
    async with network.gateway(HERE).context.database.read() as connection:
        await connection.execute("UPDATE stop_switches SET lifted_at = now()")
        await connection.execute("SELECT gate_change()")

    assert (made.code, everything.code) == (ExitCode.DONE, ExitCode.DONE)
    assert made.json["id"] in listed[1]
    assert made.json["id"] in every[1]
    assert (lifted.code, again.code) == (ExitCode.DONE, ExitCode.FAILED)


async def test_flags_are_set_shown_and_lifted_by_commands(
    network: Network, people: People, root: Person
) -> None:
    clerk = await somebody(network, root, "clemens", "clerk")
    number = {"unified_number": (await people.add(organisations=(HERE,))).text}
    setting = ("flags", "set", "record-not-disclosed", "--reason", "a test")

    made = await run_cli(network, HERE, *setting, lines=[await fresh(network, clerk), number])
    plain = await run_plain(network, HERE, *setting, lines=[await fresh(network, clerk), number])
    shown = await run_plain(
        network, HERE, "flags", "show", "--all", lines=[await fresh(network, clerk), number]
    )
    lifting = ("flags", "lift", made.json["id"], "--reason", "over")
    lifted = await run_plain(network, HERE, *lifting, lines=[await fresh(network, clerk)])
    again = await run_cli(network, HERE, *lifting, lines=[await fresh(network, clerk)])

    assert (made.code, plain.code, shown.code) == (ExitCode.DONE,) * 3
    assert made.json["id"] in shown.out
    assert (lifted.code, again.code) == (ExitCode.DONE, ExitCode.FAILED)


async def test_holds_are_listed_shown_and_refused_by_commands(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    approver = await somebody(network, root, "agnes", "approver")

    listed = await told(network, approver, "holds", "list", "--state", "waiting")
    shown = await told(network, approver, "holds", "show", row.hold_id)
    refused = await run_plain(
        network,
        HERE,
        *("holds", "refuse", row.hold_id, "--ground", "wrong-person"),
        lines=[await fresh(network, approver)],
    )
    late = await run_cli(
        network,
        HERE,
        *("holds", "approve", row.hold_id, "--digest", row.digest.hex()),
        lines=[await fresh(network, approver)],
    )

    assert row.hold_id in listed[1]
    assert row.digest.hex() in shown[2]
    assert (refused.code, late.code) == (ExitCode.DONE, ExitCode.FAILED)


async def test_records_are_searched_and_shown_by_commands(
    network: Network, people: People, root: Person, tmp_path: Path
) -> None:
    auditor = await somebody(network, root, "arno", "auditor")
    number = {"unified_number": (await people.add(organisations=(HERE,))).text}

    found = await told(network, auditor, "records", "search", "--kind", "staff-added")
    person = await run_cli(
        network,
        HERE,
        *("records", "search", "--person"),
        lines=[await fresh(network, auditor), number],
    )
    entry_id = json.loads(found[1])["records"][0]["id"]
    shown = await told(network, auditor, "records", "show", entry_id)
    proof = tmp_path / "proof"
    await run_cli(
        network,
        HERE,
        *("records", "show", entry_id, "--proof", str(proof)),
        lines=[await fresh(network, auditor)],
    )

    assert (found[0], person.code, person.json["records"]) == (ExitCode.DONE, ExitCode.DONE, [])
    assert "by" in shown[2]
    assert proof.read_text().startswith("c2sp.org/tlog-proof@v1")
