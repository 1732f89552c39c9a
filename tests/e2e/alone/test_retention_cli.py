"""`sekisho retention` as an operator and an auditor use it: the plan, the dry run, the evidence."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.jobs.retention import OF_CORE
from gateway.jobs.term import Ender
from gateway.jobs.terms import TERMS
from tests.conftest import NewDatabase
from tests.e2e.parties import Network, whole_network
from tests.e2e.staff import Person, a_person, fresh, run_cli, run_offline, run_plain

KEYS = "idempotency-keys"
ERASED, MONTH = "2001-01", 200101


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """One gateway and its core; no job ends anything behind the operator's back."""
    async with whole_network(
        new_database, gateways=[cast.NAGAOKA], runs=lambda _party, task: task != "retention"
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def config(network: Network) -> AsyncIterator[Path]:
    """The settings of a gateway whose operator sits at its control socket."""
    party = network.parties[cast.NAGAOKA]

    async def handle(command: str, arguments: Mapping[str, object]) -> ControlReply:
        return ControlReply(result=dict(await party.role.commands[command](arguments)))

    server = ControlServer(party.settings.control_socket, handle)
    await server.start()
    path = network.folder / "nagaoka.toml"
    path.write_text(
        f"""
        role = "gateway"
        environment = "test"
        organisation = "{cast.NAGAOKA}"
        data_dir = "data/{cast.NAGAOKA}"
        [network]
        name = "{cast.NETWORK}"
        keys_dir = "network/organisations/{cast.NAGAOKA}/keys"
        core_url = "https://127.0.0.1:1"
        [master_key]
        path = "data/{cast.NAGAOKA}.master.key"
        [listeners.ops]
        port = 0
        [listeners.network]
        port = 0
        [listeners.backoffice]
        port = 0
        [listeners.staff]
        port = 0
        """
    )
    yield path
    await server.stop()


@pytest.fixture(scope="module")
async def officer(root: Person) -> Person:
    return await (await a_person(root, "sora", "security-officer")).sign_in()


async def expired_key(network: Network) -> None:
    async with network.gateway(cast.NAGAOKA).context.database.read() as connection:
        await connection.execute(
            "INSERT INTO idempotency_keys VALUES"
            " ('c', 'k', decode(repeat('00', 32), 'hex'), 'i', now() - interval '1 minute')"
        )


async def keys_left(network: Network) -> int:
    async with network.gateway(cast.NAGAOKA).context.database.read() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM idempotency_keys")
        return count


async def test_a_dry_run_ends_nothing_and_says_what_a_run_would(
    network: Network, config: Path
) -> None:
    await expired_key(network)
    ask = ("retention", "run", "--config", str(config))

    dry = await run_offline(*ask, "--dry-run")
    left = await keys_left(network)
    done = await run_offline(*ask, "--now")

    def of_keys(printed: str) -> tuple[int, bool]:
        (row,) = (one for one in json.loads(printed)["terms"] if one["term"] == KEYS)
        return row["due"], row["done"] is not None

    assert (dry.code, of_keys(dry.out), left) == (ExitCode.DONE, (1, False), 1)
    assert (done.code, of_keys(done.out), await keys_left(network)) == (0, (0, True), 0)


async def test_a_plan_lists_every_term_that_anything_ends(config: Path) -> None:
    planned = await run_offline("retention", "plan", "--config", str(config))
    dry = await run_offline("retention", "run", "--dry-run", "--config", str(config))

    named = {one["term"] for one in planned.json["terms"]}
    assert planned.code == 0
    assert named == {
        term.name
        for term in TERMS
        if term.ender is not Ender.OWNER and not term.name.startswith(OF_CORE)
    }
    assert {one["term"] for one in dry.json["terms"]} == named


@pytest.mark.parametrize("said", [(), ("--dry-run", "--now")], ids=["neither", "both"])
async def test_a_run_is_dry_or_not(config: Path, said: tuple[str, ...]) -> None:
    ran = await run_offline("retention", "run", "--config", str(config), *said)

    assert ran.code == ExitCode.USAGE


async def test_the_evidence_of_a_month_is_one_document_with_proofs(
    network: Network, officer: Person
) -> None:
    """Any entries do: what they say is tested where they are made."""
    party = network.parties[cast.NAGAOKA]
    owner = await asyncpg.connect(
        party.worker.dsn.replace("user=sekisho_app", "user=sekisho_owner")
    )
    rows = await owner.fetch(
        "SELECT entry_id FROM log_entries WHERE kind LIKE 'staff-%' ORDER BY slot, index LIMIT 2"
    )
    first, last = [row["entry_id"].hex for row in rows]
    await owner.execute(
        "INSERT INTO log_months (slot, month, first_index) VALUES (0, $1, 0)", MONTH
    )
    await owner.execute(
        "INSERT INTO erasures (month, state, ranges, entry_id, copies, completed_entry_id)"
        " VALUES ($1, 'erased', '[]', $2, '[]', $3)",
        MONTH,
        first,
        last,
    )
    await owner.close()
    ask = ("retention", "evidence")

    shown = await run_cli(
        network, cast.NAGAOKA, *ask, ERASED, lines=[await fresh(network, officer)]
    )
    read = await run_plain(
        network, cast.NAGAOKA, *ask, ERASED, lines=[await fresh(network, officer)]
    )
    unknown = await run_cli(
        network, cast.NAGAOKA, *ask, "2000-01", lines=[await fresh(network, officer)]
    )

    assert (shown.code, shown.json["month"], shown.json["state"]) == (0, ERASED, "erased")
    entries = shown.json["evidence"]
    assert [one["record"]["id"] for one in entries] == [first, last]
    assert {one["private_state"] for one in entries} == {"opened"}
    assert all(one["proof"].startswith("c2sp.org/tlog-proof@v1\n") for one in entries)
    assert first in read.out
    assert unknown.code == ExitCode.FAILED
