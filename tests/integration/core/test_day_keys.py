"""What the core keeps of people by day lies under the day's key, and says nothing without it."""

from datetime import timedelta
from pathlib import Path

import pytest

from certs.errors import KeyStoreError
from certs.permits import PermitToken
from codes.canonical import tokyo_day
from gateway.core.day_book import CONTACTS, INQUIRIES, DayBook, PermitSecret
from gateway.demo import cast
from gateway.flows.day_keys import DayKeys
from gateway.storage import core_inquiries
from gateway.storage.core_inquiries import Permitted
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.wire.network import PermitsAnswer
from tests.integration.backups import execute
from tests.integration.core.answers import a_person, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import UNION, Member, World

pytestmark = pytest.mark.usefixtures("core")

_ROWS = "SELECT (t.*)::text AS row FROM {table} AS t"


async def the_days_hold(core: Core) -> str:
    """Return every row of the core's day partitions as text."""
    async with core.database.read() as connection:
        found = [
            await connection.fetch(_ROWS.format(table=table))
            for table in ("core_contacts", "core_inquiries", "core_outcomes")
        ]
    return "\n".join(row["row"] for rows in found for row in rows)


def granted(world: World, union: Member, answer: PermitsAnswer) -> PermitToken:
    return token_of(world, union, answer.tokens[0])


async def permitted_of(core: Core, token: PermitToken, world: World) -> Permitted:
    (permit,) = token.permits
    today = tokyo_day(world.clock.now())
    async with core.database.read() as connection:
        found = await core_inquiries.permits(
            connection, [permit.permit_id], first=today, last=today
        )
    return found[permit.permit_id].permitted


def day_book(world: World) -> DayBook:
    return DayBook(DayKeys(world.core_key_store()))


async def test_nobody_is_named_in_clear_and_the_days_key_opens_what_is_kept(
    world: World, core: Core, union: Member
) -> None:
    person, code = await a_person(core)
    asked = await union.ask(code)
    token = granted(world, union, await union.permits(asked))

    permitted = await permitted_of(core, token, world)
    secret = day_book(world).open(permitted)
    held = await the_days_hold(core)
    assert secret.person == person
    assert permitted.inquiry_leaf.hex() in held
    for hidden in (person, secret.salt, code.raw, core.code(person, cast.NAGAOKA).raw):
        assert hidden.hex() not in held


async def test_a_refusal_keeps_nobody(core: Core, union: Member) -> None:
    person = await core.enrol(UNION)
    asked = await union.ask(core.code(person, UNION))

    answer = await union.permits(asked)

    assert answer.tokens == []
    async with core.database.read() as connection:
        row = await connection.fetchrow(
            "SELECT reason, sealed FROM core_inquiries WHERE leaf = $1", asked.recorded.leaf_hash
        )
    assert row is not None
    assert (row["reason"], row["sealed"]) == ("no-code", None)
    assert person.hex() not in await the_days_hold(core)


def test_the_same_question_is_another_word_on_another_day_and_from_another_inquirer(
    world: World,
) -> None:
    book, today, person = day_book(world), tokyo_day(world.clock.now()), bytes(32)

    words = [
        book.contact(day, inquirer, person)
        for day in (today, today + timedelta(days=1))
        for inquirer in (UNION, cast.NAGAOKA)
    ]

    assert len(set(words)) == 4
    assert words[0] == day_book(world).contact(today, UNION, person)


def test_a_box_opens_in_its_own_row_and_day_alone(world: World) -> None:
    book, today = day_book(world), tokyo_day(world.clock.now())
    keys = DayKeys(world.core_key_store())
    secret = PermitSecret(person=bytes(32), salt=bytes([1]) * 32)
    box = book.seal(secret, day=today, inquirer=UNION, leaf=bytes(32))
    row = f"{UNION}\0{bytes(32).hex()}"
    keys.seal(INQUIRIES, "sealed", today + timedelta(days=1), "x", b"")

    assert keys.open(INQUIRIES, "sealed", today, row, box) == secret.person + secret.salt
    for day, place in ((today, f"{cast.NAGAOKA}\0{bytes(32).hex()}"), (today + timedelta(1), row)):
        with pytest.raises(KeyStoreError, match="box-does-not-open"):
            keys.open(INQUIRIES, "sealed", day, place, box)
    with pytest.raises(KeyStoreError, match="no-such-key"):
        keys.open(INQUIRIES, "sealed", today - timedelta(days=400), row, box)


async def test_a_day_costs_an_exchange_no_file(
    world: World, core: Core, union: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both keys of a day are read once a worker; what comes after is memory."""
    await union.permits(await union.ask((await a_person(core))[1]))
    assert {
        f"day/{table}/{tokyo_day(world.clock.now())}" for table in (CONTACTS, INQUIRIES)
    } <= set(world.core_key_store().key_ids())
    asked = [await union.ask((await a_person(core))[1]) for _ in range(3)]
    read: list[str] = []

    def note(path: Path) -> bytes:
        read.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr("certs.keystore.read_private", note)

    answer = await union.permits(*asked)
    again = await union.permits(*asked)

    assert len(answer.results) == len(again.results) == 3
    assert answer.tokens
    assert read == []


async def test_a_permit_whose_box_does_not_open_waits_and_holds_no_other_up(
    core: Core, union: Member, postgres: EmbeddedPostgres
) -> None:
    shut, sound = [await union.ask((await a_person(core))[1]) for _ in range(2)]
    await union.permits(shut, sound)
    async with core.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    await execute(
        postgres.dsn(SUPERUSER, name),
        "UPDATE core_inquiries SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))"
        " WHERE leaf = $1",
        shut.recorded.leaf_hash,
    )

    answer = await union.permits(shut, sound)

    problem = answer.results[0].problem
    assert problem is not None
    assert (problem.type, problem.status) == ("unavailable", 503)
    assert answer.results[1].result is not None
    assert len(answer.tokens) == 1
