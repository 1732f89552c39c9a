"""The door of the staff zone: nobody gets in twice by one proof, nobody learns who is there."""

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from certs.passwords import Totp
from gateway.cli.staff_client import Answer
from gateway.demo import cast
from gateway.errors import NotAuthenticatedError
from gateway.flows.evidence import SecurityEvents
from gateway.flows.sign_in_staff import (
    ACCOUNT_ATTEMPTS_FREE,
    HASHES_WAITING_MAX,
    PasswordDoor,
    Proof,
    SignInStaff,
)
from tests.e2e.parties import Network
from tests.e2e.staff import PASSWORD, Person, a_person, staff_client

HERE = cast.NAGAOKA
_names = itertools.count(1)


@pytest.fixture(autouse=True)
async def no_attempts(network: Network) -> None:
    """Every test begins with nobody having failed from here."""
    async with network.gateway(HERE).context.database.read() as connection:
        await connection.execute("DELETE FROM staff_attempts")


async def somebody(root: Person, role: str = "clerk") -> Person:
    return await a_person(root, f"person-{next(_names)}", role)


def door(network: Network) -> tuple[SignInStaff, SecurityEvents]:
    """The door as another worker of the same gateway has it."""
    context = network.gateway(HERE).context
    events = SecurityEvents(context, listener="staff")
    return SignInStaff(context, events, PasswordDoor()), events


def proof(person: Person) -> Proof:
    return Proof(name=person.name, password=person.password, totp=person.code())


async def test_whoever_fails_learns_nothing_but_that(root: Person) -> None:
    person = await somebody(root)
    good = person.credential()
    wrong = [
        good | {"password": "not the password"},
        good | {"totp": "000000"},
        good | {"name": "nobody-here"},
    ]

    answers = [await person.post("/v1/session", body) for body in wrong]

    said = [{**answer.body, "request_id": ""} for answer in answers]
    assert {answer.status for answer in answers} == {401}
    assert said[0] == said[1] == said[2]


async def test_a_name_that_is_not_there_costs_the_same_work(network: Network, root: Person) -> None:
    person = await somebody(root)
    sign_in, _ = door(network)

    async def seconds(name: str) -> float:
        started = time.perf_counter()
        with pytest.raises(NotAuthenticatedError):
            await sign_in.authenticate(
                Proof(name=name, password="not the password", totp="000000"), address="there"
            )
        return time.perf_counter() - started

    known = min([await seconds(person.name) for _ in range(3)])
    unknown = min([await seconds("nobody-here") for _ in range(3)])

    # The work is a password hash of 64 MiB; without it a refusal takes a few milliseconds.
    assert unknown > known / 3


@pytest.mark.parametrize("whose", ["somebody's", "nobody's"])
async def test_after_too_many_failures_the_right_password_waits_too(
    root: Person, whose: str
) -> None:
    person = await somebody(root)
    name = person.name if whose == "somebody's" else "nobody-here"
    wrong = {"name": name, "password": "not the password", "totp": "000000"}

    failed = [await person.post("/v1/session", wrong) for _ in range(ACCOUNT_ATTEMPTS_FREE)]
    blocked = await person.post("/v1/session", person.credential() | {"name": name})

    assert {answer.status for answer in failed} == {401}
    assert (blocked.status, blocked.body["type"]) == (429, "too-many-requests")


async def test_a_success_forgets_the_failures_before_it(root: Person) -> None:
    person = await somebody(root)
    wrong = {"name": person.name, "password": "not the password", "totp": "000000"}

    for _ in range(ACCOUNT_ATTEMPTS_FREE - 1):
        await person.post("/v1/session", wrong)
    await person.sign_in()
    answer = await person.post("/v1/session", wrong)

    assert answer.status == 401


async def test_attempts_that_come_at_once_are_all_counted(network: Network, root: Person) -> None:
    person = await somebody(root)
    wrong = {"name": person.name, "password": "not the password", "totp": "000000"}
    clients = [staff_client(network, HERE) for _ in range(12)]

    loop = asyncio.get_running_loop()
    # Threads of their own: the gateway in this process hashes in those of the loop.
    with ThreadPoolExecutor(len(clients)) as threads:
        answers = await asyncio.gather(
            *(
                loop.run_in_executor(threads, client.ask, "POST", "/v1/session", wrong)
                for client in clients
            ),
            return_exceptions=True,
        )

    statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
    assert len(statuses) == len(clients), answers
    assert statuses.count(401) == ACCOUNT_ATTEMPTS_FREE
    assert statuses.count(429) == len(clients) - ACCOUNT_ATTEMPTS_FREE


async def test_a_time_step_lets_one_of_two_workers_in(network: Network, root: Person) -> None:
    """Both have checked everything and wait for the credential's row."""
    person = await somebody(root)
    first, _ = door(network)
    second, _ = door(network)
    shown = proof(person)
    context = network.gateway(HERE).context

    async with context.database.transaction() as holder:
        await holder.execute(
            "SELECT FROM staff_credentials WHERE staff_id = $1 FOR UPDATE", person.staff_id
        )
        tries = [
            asyncio.create_task(one.authenticate(shown, address="there")) for one in (first, second)
        ]
        await two_wait(network)
    results = await asyncio.gather(*tries, return_exceptions=True)

    refused = [result for result in results if isinstance(result, NotAuthenticatedError)]
    assert len(refused) == 1
    assert [getattr(result, "staff_id", None) for result in results].count(person.staff_id) == 1


async def test_a_session_outlives_the_worker_it_began_at(network: Network, root: Person) -> None:
    person = await somebody(root)
    begun = await door(network)[0].begin(proof(person), address="there")

    resumed = await door(network)[0].resume(begun.token.text)

    assert resumed.staff_id == person.staff_id


@pytest.mark.parametrize(
    ("column", "past"), [("used_at", timedelta(minutes=16)), ("expires_at", timedelta(hours=10))]
)
async def test_a_session_ends_idle_or_old(
    network: Network, root: Person, column: str, past: timedelta
) -> None:
    person = await (await somebody(root)).sign_in()
    async with network.gateway(HERE).context.database.read() as connection:
        await connection.execute(
            f"UPDATE staff_sessions SET {column} = {column} - $1::interval WHERE staff_id = $2",
            past,
            person.staff_id,
        )

    answer = await person.get("/v1/holds")

    assert (answer.status, answer.body["type"]) == (401, "not-authenticated")


async def test_a_token_that_was_signed_out_opens_nothing(root: Person) -> None:
    person = await (await somebody(root)).sign_in()

    ended = await person.call("DELETE", "/v1/session")
    answer = await person.get("/v1/holds")

    assert (ended.status, answer.status) == (204, 401)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 20, "A" * 4000])
async def test_an_invented_token_is_nobodys(network: Network, token: str) -> None:
    client = staff_client(network, HERE)
    client.token = token

    answer = await asyncio.to_thread(client.ask, "GET", "/v1/holds")

    assert answer.status in {400, 401}


async def test_failures_are_counted_into_one_entry(network: Network, root: Person) -> None:
    person = await somebody(root)
    sign_in, events = door(network)
    context = network.gateway(HERE).context
    for _ in range(3):
        with pytest.raises(NotAuthenticatedError):
            await sign_in.authenticate(
                Proof(name=person.name, password="wrong", totp="000000"), address="192.0.2.7"
            )

    before = await entries(network, "security-events")
    await events.turn()
    after = await entries(network, "security-events")

    assert after - before == 1
    assert context.writer.waiting == 0


async def test_more_passwords_than_may_wait_are_turned_away() -> None:
    crowded = PasswordDoor()
    crowded._waiting = HASHES_WAITING_MAX

    with pytest.raises(Exception, match="too many at once"):
        await crowded.opens(PASSWORD, None)


async def test_somebody_changes_their_own_password(network: Network, root: Person) -> None:
    person = await (await somebody(root)).sign_in()
    body = {"credential": person.credential(), "password": "another good password"}

    changed = await person.post("/v1/passwords", body)
    old_session = await person.get("/v1/holds")
    person.password = "another good password"
    again = await door(network)[0].authenticate(
        Proof(
            name=person.name,
            password=person.password,
            totp=await later_code(network, person.factor, person),
        ),
        address="there",
    )

    assert (changed.status, old_session.status) == (204, 401)
    assert again.staff_id == person.staff_id


async def later_code(network: Network, factor: Totp, person: Person) -> str:
    """A code of now, its step made new again: the test does not wait half a minute."""
    context = network.gateway(HERE).context
    async with context.database.read() as connection:
        await connection.execute(
            "UPDATE staff_credentials SET last_step = 0 WHERE staff_id = $1", person.staff_id
        )
    return factor.code(context.clock.now())


async def entries(network: Network, kind: str) -> int:
    async with network.gateway(HERE).context.database.read() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE kind = $1", kind
        )
    return count


async def two_wait(network: Network) -> None:
    database = network.gateway(HERE).context.database
    async with database.read() as watcher, asyncio.timeout(20):
        while (
            await watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            < 2
        ):
            await asyncio.sleep(0.005)
