"""Operation records as an auditor looks at them: searched, archived, opened, checked offline."""

import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from codes.canonical import instant
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.records.operations import read_csv, write_csv
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from tests.e2e.parties import Network
from tests.e2e.staff import Person, a_person, fresh, run_cli, run_offline

NAGAOKA = cast.NAGAOKA


@pytest.fixture(scope="module")
async def auditor(root: Person) -> Person:
    return await (await a_person(root, "ops-auditor", "auditor")).sign_in()


@pytest.fixture(scope="module")
async def month(
    network: Network, auditor: Person, postgres: EmbeddedPostgres
) -> AsyncIterator[str]:
    """This month, of which the owner says that it left the window, archived."""
    async with network.gateway(NAGAOKA).context.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
        number = await connection.fetchval("SELECT max(month) FROM log_months")
    owner = await asyncpg.connect(postgres.dsn(OWNER_ROLE, name))
    before = await owner.fetchval("SELECT pg_get_functiondef('operations_leave_at'::regproc)")
    await owner.execute(
        "CREATE OR REPLACE FUNCTION operations_leave_at(p_month integer) RETURNS timestamptz"
        " LANGUAGE sql STABLE AS 'SELECT now()'"
    )
    assert auditor.name == "ops-auditor"  # who signed in is in the archive
    await network.gateway(NAGAOKA).flows.operations.turn()
    yield f"{number // 100}-{number % 100:02d}"
    await owner.execute(before)
    await owner.execute("DELETE FROM operation_archives")
    await owner.close()


async def test_a_search_finds_what_somebody_did_and_is_itself_recorded(auditor: Person) -> None:
    mine = {"staff": auditor.staff_id}
    sessions = await auditor.post(
        "/v1/operation-records:search", mine | {"kinds": ["staff-session"]}
    )
    again = await auditor.post("/v1/operation-records:search", mine | {"limit": 1})
    nobody = await auditor.post("/v1/operation-records:search", {"client": "nobody"})

    rows = sessions.body["records"]
    assert isinstance(rows, list)
    assert {(row["kind"], row["party"], row["who"]) for row in rows} == {
        ("staff-session", "staff", auditor.staff_id)
    }
    last = again.body["records"][0]  # type: ignore[index]
    assert (last["kind"], last["done"]) == ("records-read", "operations-search")
    assert again.body["next"]
    assert nobody.body["records"] == []
    assert sessions.body["archives"] == []


async def test_pages_go_on_where_they_ended(auditor: Person) -> None:
    first = await auditor.post("/v1/operation-records:search", {"limit": 2})
    second = await auditor.post(
        "/v1/operation-records:search", {"limit": 2, "after": first.body["next"]}
    )

    times = [row["time"] for page in (first, second) for row in page.body["records"]]  # type: ignore[attr-defined]
    ids = {row["id"] for page in (first, second) for row in page.body["records"]}  # type: ignore[attr-defined]
    assert (len(ids), times) == (4, sorted(times, reverse=True))


async def test_operations_are_for_those_who_watch(root: Person, auditor: Person) -> None:
    operator = await (await a_person(root, "ops-operator", "operator")).sign_in()

    searched = await operator.post("/v1/operation-records:search", {})
    opened = await operator.post("/v1/operation-archives/2026-07/opening")
    unknown = await auditor.post("/v1/operation-records:search", {"kinds": ["inquiry"]})
    absent = await auditor.post("/v1/operation-archives/2001-01/opening")

    assert (searched.status, opened.status) == (403, 403)
    assert (unknown.status, unknown.body["pointer"]) == (422, "/kinds")
    assert (absent.status, absent.body["type"]) == (404, "not-found")


async def test_beyond_three_months_the_archives_are_named(auditor: Person, month: str) -> None:
    long_ago = instant(datetime.now(UTC) - timedelta(days=400))

    found = await auditor.post("/v1/operation-records:search", {"since": long_ago})
    listed = await auditor.get("/v1/operation-archives")

    assert found.body["online_since"] > long_ago  # type: ignore[operator]
    # This month is still searched at once, so nobody has to open its archive.
    assert found.body["archives"] == []
    assert [one["month"] for one in listed.body["archives"]] == [month]  # type: ignore[attr-defined]


async def test_an_archive_opens_and_is_verified_with_public_keys_alone(
    network: Network, auditor: Person, month: str, tmp_path: Path
) -> None:
    archive, bundle = tmp_path / "archive.zip", tmp_path / "bundle.zip"
    line = await fresh(network, auditor)
    opened = await run_cli(
        network, NAGAOKA, "records", "operations", "open", month, str(archive), lines=[line]
    )
    line = await fresh(network, auditor)
    await run_cli(network, NAGAOKA, "records", "export", str(bundle), lines=[line])
    keys = network.parties[NAGAOKA].settings.network.keys_dir
    known = ("--with", str(bundle), "--root", str(keys / "root.json"))

    verified = await run_offline("records", "operations", "verify", str(archive), *known)
    edited = changed(archive, tmp_path / "edited.zip")
    refused = await run_offline("records", "operations", "verify", str(edited), *known)

    assert opened.code == ExitCode.DONE
    assert (verified.code, verified.json["verified"]) == (ExitCode.DONE, True)
    assert verified.json["rows"] == verified.json["compared"] > 0
    assert (refused.code, refused.json["reason"]) == (ExitCode.FAILED, "archive-changed")
    with zipfile.ZipFile(archive) as files:
        rows = read_csv(files.read("operations.csv"))
    assert auditor.staff_id in {row.who for row in rows}
    assert "staff-session" in {row.kind for row in rows}


def changed(archive: Path, target: Path) -> Path:
    """Write the archive with its first row left out."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        new.writestr("operations.note", old.read("operations.note"))
        new.writestr("operations.csv", write_csv(read_csv(old.read("operations.csv"))[1:]))
    return target
