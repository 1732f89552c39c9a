"""Accounts: made by an administrator, taken into use by the person alone, changed by another."""

import asyncio
import itertools

import pytest

from certs.passwords import Totp
from gateway.demo import cast
from gateway.domain.staff import StaffRuleError
from tests.e2e.parties import Network
from tests.e2e.staff import PASSWORD, Person, a_person, first_account, staff_client

HERE = cast.NAGAOKA
_names = itertools.count(1)


@pytest.fixture(scope="module")
async def root(network: Network) -> Person:
    return await (await first_account(network, HERE)).sign_in()


def a_name() -> str:
    return f"person-{next(_names)}"


async def somebody(root: Person, role: str = "clerk") -> Person:
    return await a_person(root, a_name(), role)


async def enrol(network: Network, name: str, code: object, **more: str) -> tuple[int, str]:
    body = {"name": name, "enrolment_code": code, "password": PASSWORD, **more}
    client = staff_client(network, HERE)
    answer = await asyncio.to_thread(client.ask, "POST", "/v1/enrolments", body)
    return answer.status, str(answer.body.get("type", ""))


async def test_the_first_account_is_made_once(network: Network, root: Person) -> None:
    assert root.name == "root"

    with pytest.raises(StaffRuleError) as refused:
        await first_account(network, HERE, "another-root")
    assert refused.value.reason == "not-the-first"


async def test_an_invitation_is_good_once(network: Network, root: Person) -> None:
    name = a_name()
    made = await root.post("/v1/staff", {"name": name, "roles": ["clerk"]})
    code = made.body["enrolment_code"]

    first = await enrol(network, name, code)
    again = await enrol(network, name, code)

    assert first == (201, "")
    assert again == (401, "not-authenticated")


async def test_an_invitation_ends(network: Network, root: Person) -> None:
    name = a_name()
    made = await root.post("/v1/staff", {"name": name, "roles": ["clerk"]})
    async with network.gateway(HERE).context.database.read() as connection:
        await connection.execute("UPDATE staff SET enrolment_expires = now() WHERE name = $1", name)

    assert await enrol(network, name, made.body["enrolment_code"]) == (401, "not-authenticated")


async def test_an_invitation_is_one_persons(network: Network, root: Person) -> None:
    name, other = a_name(), a_name()
    made = await root.post("/v1/staff", {"name": name, "roles": ["clerk"]})
    await root.post("/v1/staff", {"name": other, "roles": ["clerk"]})

    assert await enrol(network, other, made.body["enrolment_code"]) == (401, "not-authenticated")


async def test_two_accounts_never_share_a_second_factor(network: Network, root: Person) -> None:
    """Else one person would be both pairs of eyes with one authenticator."""
    secret = Totp.generate().base32()
    names = [a_name(), a_name()]
    codes = [
        (await root.post("/v1/staff", {"name": name, "roles": ["approver"]})).body["enrolment_code"]
        for name in names
    ]

    first = await enrol(network, names[0], codes[0], totp_secret=secret)
    second = await enrol(network, names[1], codes[1], totp_secret=secret)

    assert first == (201, "")
    assert second == (409, "credential-taken")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"password": "too short"}, "password-too-short"),
        ({"totp_secret": "AAAAAAAAAAAAAAAA"}, "totp-secret-length"),
    ],
)
async def test_what_cannot_be_a_credential_is_refused(
    network: Network, root: Person, more: dict[str, str], reason: str
) -> None:
    name = a_name()
    made = await root.post("/v1/staff", {"name": name, "roles": ["clerk"]})
    body = {"name": name, "enrolment_code": made.body["enrolment_code"], "password": PASSWORD}

    answer = await root.post("/v1/enrolments", body | more)

    assert (answer.status, answer.body["type"]) == (422, "malformed-staff")
    assert answer.body["reason"] == reason
    assert (await enrol(network, name, made.body["enrolment_code"]))[0] == 201


async def test_a_name_is_given_once(root: Person) -> None:
    body = {"name": a_name(), "roles": ["clerk"]}

    first = await root.post("/v1/staff", body)
    again = await root.post("/v1/staff", body)

    assert first.status == 201
    assert (again.status, again.body["type"]) == (409, "name-taken")


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["administrator", "approver"], (403, "staff-rule")),
        (["root"], (422, "malformed-staff")),
        ([], (422, "invalid-body")),
    ],
)
async def test_roles_that_nobody_may_have_are_refused(
    root: Person, roles: list[str], expected: tuple[int, str]
) -> None:
    answer = await root.post("/v1/staff", {"name": a_name(), "roles": roles})

    assert (answer.status, answer.body["type"]) == expected


@pytest.mark.parametrize("what", ["disable", "enable", "reset"])
async def test_nobody_changes_their_own_account(root: Person, what: str) -> None:
    answer = await root.post(f"/v1/staff/{root.staff_id}/{what}")

    assert (answer.status, answer.body["reason"]) == (403, "own-account")


async def test_a_disabled_account_is_out_at_once_and_in_again_when_enabled(root: Person) -> None:
    person = await (await somebody(root)).sign_in()

    disabled = await root.post(f"/v1/staff/{person.staff_id}/disable")
    session = await person.get("/v1/holds")
    again = await person.post("/v1/session", person.credential())
    await root.post(f"/v1/staff/{person.staff_id}/enable")
    listed = await root.get("/v1/staff")

    assert (disabled.status, session.status, again.status) == (204, 401, 401)
    states = {one["staff_id"]: one["state"] for one in listed.body["staff"]}  # type: ignore[attr-defined]
    assert states[person.staff_id] == "active"


async def test_a_reset_ends_the_old_credential_and_lets_the_person_make_another(
    network: Network, root: Person
) -> None:
    person = await (await somebody(root)).sign_in()

    reset = await root.post(f"/v1/staff/{person.staff_id}/reset")
    session = await person.get("/v1/holds")
    old = await person.post("/v1/session", person.credential())
    again = await enrol(
        network, person.name, reset.body["enrolment_code"], totp_secret=person.factor.base32()
    )
    new = await enrol(network, person.name, reset.body["enrolment_code"])

    assert (reset.status, session.status, old.status) == (201, 401, 401)
    assert again == (409, "credential-taken")
    assert new == (201, "")


async def test_other_roles_count_at_once_and_end_the_sessions(root: Person) -> None:
    person = await (await somebody(root)).sign_in()

    changed = await root.call("PUT", f"/v1/staff/{person.staff_id}/roles", {"roles": ["operator"]})
    old = await person.get("/v1/switches")
    person.client.token = None
    await person.sign_in()
    new = await person.get("/v1/switches")

    assert (changed.status, old.status, new.status) == (204, 401, 200)


async def test_an_account_that_is_not_there_is_not_found(root: Person) -> None:
    answer = await root.post(f"/v1/staff/{'0' * 32}/disable")

    assert (answer.status, answer.body["type"]) == (404, "not-found")


async def test_accounts_are_on_record_without_anybodys_name(network: Network, root: Person) -> None:
    person = await somebody(root)
    context = network.gateway(HERE).context
    async with context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT entry_id, leaf FROM log_entries WHERE kind IN ('staff-added', 'staff-changed')"
        )

    assert len(rows) >= 2
    assert not any(person.name.encode() in row["leaf"] for row in rows)


async def test_the_pages_of_accounts_follow_each_other(root: Person) -> None:
    for _ in range(3):
        await root.post("/v1/staff", {"name": a_name(), "roles": ["clerk"]})
    whole = await root.get("/v1/staff?limit=200")
    first = await root.get("/v1/staff?limit=2")

    second = await root.get(f"/v1/staff?limit=2&after={first.body['next']}")

    expected = [one["staff_id"] for one in whole.body["staff"]][:4]  # type: ignore[attr-defined]
    seen = [*first.body["staff"], *second.body["staff"]]  # type: ignore[misc]
    assert [one["staff_id"] for one in seen] == expected
