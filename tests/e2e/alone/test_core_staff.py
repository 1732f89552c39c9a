"""People at the core agree that an old month of its records goes, and what is left is proved."""

import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from gateway.app.floor import open_trust
from gateway.app.roles import WorkerContext
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.flows.record import record_writer
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_start import open_streams
from gateway.flows.record_types import Draft, Recorded
from gateway.records.erased import ERASURES
from gateway.records.operations import read_csv
from tests.conftest import Dsns, NewDatabase
from tests.damage.judges import Verdict, by_one_file, by_the_program
from tests.e2e.parties import Network, whole_network
from tests.e2e.staff import Person, a_person, first_account, fresh, run_cli
from tests.integration.flows.erasure_scene import ADD_MONTH
from tests.integration.record_log import SetClock

CORE = cast.CORE
MONTH, KEPT = "2018-05", "2018-06"
FIRST_DAY = datetime(2018, 5, 10, tzinfo=UTC)
ENTRIES = 20


async def a_log_of_2018(worker: WorkerContext, dsns: Dsns) -> None:
    """Begin the core's log in May 2018: operation records of that month and of June."""
    owner = await asyncpg.connect(dsns.owner)
    for month in (201805, 201806):
        await owner.execute(ADD_MONTH, month)
    await owner.close()
    database, trust, keys = await worker.open_database(), open_trust(worker), worker.key_store()
    clock = SetClock(FIRST_DAY)
    await open_streams(
        database=database,
        network=trust.network,
        organisation=CORE,
        slots=trust.directory.organisation(CORE).slots,
        key_set_digest=trust.keys.key_set.digest,
        keys=keys,
        clock=clock,
    )
    async with record_writer(
        database=database,
        organisation=CORE,
        signer=trust.log_signer_at(worker.clock.now()),
        keys=keys,
        clock=clock,
        marks=ReleasedMarks(worker.settings.released_dir),
    ) as writer:
        for moment in (FIRST_DAY, FIRST_DAY + timedelta(days=31)):
            clock.moment = moment
            drafts = [Draft(kind="records-read", members={}, private={}) for _ in range(ENTRIES)]
            made = await writer.append(drafts, source="old")
            assert all(isinstance(one, Recorded) for one in made)
    await database.close()


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """A core without gateways, its log as old as its people; nothing ends but by command."""
    async with whole_network(
        new_database,
        gateways=(),
        runs=lambda _party, task: task != "retention",
        core_begins=a_log_of_2018,
    ) as running:
        yield running


@dataclass(frozen=True)
class People:
    """Two who may agree, both signed in."""

    auditor: Person
    officer: Person


@pytest.fixture(scope="module")
async def people(network: Network) -> People:
    root = await (await first_account(network, CORE)).sign_in()
    auditor = await (await a_person(root, "aki", "auditor")).sign_in()
    officer = await (await a_person(root, "sora", "security-officer")).sign_in()
    return People(auditor, officer)


async def proof(network: Network, person: Person) -> dict[str, str]:
    return await fresh(network, person, CORE)


async def run_retention(network: Network) -> None:
    """End what is due now, as the operator does; nothing stays behind."""
    ended = await network.parties[CORE].role.commands["retention-run"]({})
    problems = {term["term"]: term["problem"] for term in ended["terms"]}  # type: ignore[attr-defined]
    assert problems.keys() >= {"records", "operation-records", "staff-sessions"}
    assert set(problems.values()) == {None}


async def state(person: Person) -> tuple[object, object]:
    """How far the old month is, and how many agreed."""
    months = (await person.get("/v1/erasures")).body["months"]
    (month,) = (one for one in months if one["month"] == MONTH)  # type: ignore[attr-defined]
    return month["state"], month["approvals"]


async def test_archives_of_the_cores_operation_records_are_opened_at_the_core(
    network: Network, people: People, tmp_path: Path
) -> None:
    await run_retention(network)
    archive = tmp_path / "june.zip"
    opening = ("records", "operations", "open", KEPT, str(archive))

    found = await people.auditor.post("/v1/operation-records:search", {"kinds": ["staff-session"]})
    opened = await run_cli(network, CORE, *opening, lines=[await proof(network, people.officer)])

    who = {row["who"] for row in found.body["records"]}  # type: ignore[attr-defined]
    assert who >= {people.auditor.staff_id, people.officer.staff_id}
    assert opened.code == ExitCode.DONE
    with zipfile.ZipFile(archive) as files:
        rows = read_csv(files.read("operations.csv"))
    assert [row.kind for row in rows] == ["records-read"] * ENTRIES


async def test_a_legal_hold_at_the_core_keeps_a_month(network: Network, people: People) -> None:
    hold = ("retention", "hold", KEPT, KEPT, "--ground", "case 12")
    agree = f"/v1/erasures/{KEPT}/approvals"

    made = await run_cli(network, CORE, *hold, lines=[await proof(network, people.officer)])
    held = await people.auditor.post(agree, {"credential": await proof(network, people.auditor)})

    assert made.code == ExitCode.DONE
    assert (held.status, held.body["reason"]) == (409, "legal-hold")


async def test_two_people_at_the_core_end_an_old_month_and_the_rest_verifies(
    network: Network, people: People, tmp_path: Path
) -> None:
    bundle = tmp_path / "core.zip"
    agree = ("retention", "approve", MONTH)

    first = await run_cli(network, CORE, *agree, lines=[await proof(network, people.auditor)])
    again = await people.auditor.post(
        f"/v1/erasures/{MONTH}/approvals", {"credential": await proof(network, people.auditor)}
    )
    await run_retention(network)
    by_one = await state(people.auditor)
    second = await run_cli(network, CORE, *agree, lines=[await proof(network, people.officer)])
    await run_retention(network)
    by_two = await state(people.auditor)
    await network.parties[CORE].role.commands["records-export"]({"target": str(bundle)})

    assert (first.code, second.code) == (ExitCode.DONE, ExitCode.DONE)
    assert (again.status, again.body["type"]) == (403, "same-approver")
    assert (by_one, by_two) == (("proposed", 1), ("erased", 2))
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    root = network.parties[CORE].settings.network.keys_dir / "root.json"
    assert ERASURES in files
    assert by_the_program(files, root) == Verdict((), complete=False)
    assert by_one_file(files, root) == Verdict((), complete=False)


async def test_what_only_a_gateway_has_is_not_at_the_core(people: People) -> None:
    assert (await people.auditor.get("/v1/holds")).status == 404
    assert (await people.auditor.post("/v1/records:search", {})).status == 404
