"""Every role asks every route of the staff listener, and is let in as the golden table says."""

import asyncio
import csv

import pytest

from gateway.demo import cast
from gateway.domain.staff import Role
from tests.e2e.parties import Network
from tests.e2e.staff import Person, a_person, staff_client
from tests.unit.gateway.listeners.test_staff_roles import GOLDEN

NO_ID, NO_MONTH = "0" * 32, "2001-01"


@pytest.fixture(scope="module")
async def people_by_role(root: Person) -> dict[str, Person]:
    found = {
        role.value: await (await a_person(root, f"the-{role.value}", role)).sign_in()
        for role in Role
        if role is not Role.ADMINISTRATOR
    }
    return found | {Role.ADMINISTRATOR.value: root}


def rows() -> list[dict[str, str]]:
    with GOLDEN.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["proof"] == "session"]


def path_of(row: dict[str, str]) -> str:
    return row["path"].replace("{id}", NO_ID).replace("{month}", NO_MONTH)


async def test_every_role_is_let_in_exactly_where_the_table_says(
    people_by_role: dict[str, Person],
) -> None:
    wrong = []
    for row in rows():
        if row["permission"] == "session:end":
            continue
        for role, person in people_by_role.items():
            # Who asks is looked at before what is asked, which here is nothing anybody takes.
            body = None if row["method"] == "GET" else {"unknown": 1}
            answer = await person.call(row["method"], path_of(row), body)
            is_let_in = answer.status != 403
            if is_let_in != (row[role] == "yes"):
                wrong.append((role, row["method"], row["path"], answer.status))

    assert wrong == []


async def test_nobody_is_let_in_without_a_session(network: Network) -> None:
    client = staff_client(network, cast.NAGAOKA)

    answers = [
        await asyncio.to_thread(
            client.ask,
            row["method"],
            path_of(row),
            {} if row["method"] in {"POST", "PUT"} else None,
        )
        for row in rows()
    ]

    assert {answer.status for answer in answers} == {401}
