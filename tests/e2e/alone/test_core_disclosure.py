"""What all who know a person give, merged by the core: the desk and its command."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from codes.numbers import UnifiedNumber
from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.flows import disclosed_exchanges
from gateway.flows.context import Context
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.alone.disclosing import Row, looked_at, staffs
from tests.e2e.alone.offices import CORE, NAGAOKA, UNION, Office, an_exchange
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import run_offline


@pytest.fixture(scope="module")
async def core(network: Network, people: People) -> AsyncIterator[Context]:
    async with Rogue.of(network, people, CORE) as rogue:
        yield rogue.context


async def core_disclose(network: Network, **arguments: str) -> Row:
    command = network.parties[CORE].role.commands["core-disclose"]
    return dict(await command(arguments))


async def test_the_core_merges_what_all_who_know_the_person_give_page_by_page(
    monkeypatch: pytest.MonkeyPatch,
    network: Network,
    people: People,
    offices: dict[str, Office],
    number: UnifiedNumber,
) -> None:
    permits = [await an_exchange(network, number) for _ in range(3)]
    resident = (await people.meet(number)).text
    whole = await core_disclose(network, resident_code=resident)
    monkeypatch.setattr(disclosed_exchanges, "EXCHANGES_MAX", 2)
    pages: list[Row] = []
    page_from: dict[str, str] = {}
    while not pages or page_from:
        pages.append(await core_disclose(network, resident_code=resident, **page_from))
        page_from = {"page_from": pages[-1]["next"]} if pages[-1].get("next") else {}

    rows = [(one["organisation"], one["exchange"]["permit_id"]) for one in whole["exchanges"]]
    assert rows == [(name, permit) for permit in permits for name in (UNION, NAGAOKA)]
    assert [one["organisation"] for one in whole["parties"]] == [UNION, NAGAOKA]
    assert "next" not in whole
    assert len(pages) == 3
    assert [one for page in pages for one in page["exchanges"]] == whole["exchanges"]
    shown = await staffs(offices[NAGAOKA], number)
    own = [one for one in whole["exchanges"] if one["organisation"] == NAGAOKA]
    assert [one["exchange"] for one in own] == shown["exchanges"]


async def test_nobody_the_core_knows_reads_like_somebody_whom_nobody_holds_a_code_for(
    network: Network, people: People, core: Context
) -> None:
    nowhere = await people.meet(await people.add(organisations=()))

    unknown = await core_disclose(network, resident_code="00000000000")
    unheld = await core_disclose(network, resident_code=nowhere.text)

    assert unknown == unheld == {"exchanges": [], "parties": []}
    assert len(await looked_at(core)) >= 2


@pytest.fixture
async def socket(network: Network, tmp_path: Path) -> AsyncIterator[Path]:
    """The settings of a core whose control socket answers for the network's."""
    text = f"""
role = "core"
environment = "test"
organisation = "core"
data_dir = "{tmp_path}"

[network]
name = "{cast.NETWORK}"
keys_dir = "{tmp_path}"

[master_key]
path = "{tmp_path}/master.key"

[listeners.ops]
port = 0

[listeners.network]
port = 0
"""
    path = tmp_path / "core.toml"
    path.write_text(text, encoding="utf-8")

    async def handle(command: str, arguments: Mapping[str, object]) -> ControlReply:
        found = await network.parties[CORE].role.commands[command](arguments)
        return ControlReply(result=dict(found))

    server = ControlServer(tmp_path / "control.sock", handle)
    await server.start()
    yield path
    await server.stop()


def typed(line: Row) -> str:
    given, giving = os.pipe()
    os.write(giving, json.dumps(line).encode() + b"\n")
    os.close(giving)
    return str(given)


async def test_the_command_prints_all_pages_and_fails_where_a_gateway_gave_nothing(
    *,
    monkeypatch: pytest.MonkeyPatch,
    network: Network,
    people: People,
    number: UnifiedNumber,
    permit: str,
    socket: Path,
) -> None:
    second = await an_exchange(network, number)
    resident = {"resident_code": (await people.meet(number)).text}
    monkeypatch.setattr(disclosed_exchanges, "EXCHANGES_MAX", 1)
    disclose = ("core", "disclose", "--config", str(socket), "--credentials-fd")

    whole = await run_offline(*disclose, typed(resident))
    wrong = await run_offline(*disclose, typed({"resident_code": "1"}))
    async with network.core_database.read() as connection:
        await connection.execute(
            "INSERT INTO core_holders (person, organisation)"
            " SELECT person, 'nobody-there' FROM core_people WHERE lookup ="
            " (SELECT lookup FROM core_people ORDER BY since DESC LIMIT 1)"
        )
    partly = await run_offline(*disclose, typed(resident))

    assert (whole.code, wrong.code, partly.code) == (
        ExitCode.DONE,
        ExitCode.USAGE,
        ExitCode.FAILED,
    )
    shown = [one["exchange"]["permit_id"] for one in whole.json["exchanges"]]
    assert shown == [permit, permit, second, second]
    silent = [one for one in partly.json["parties"] if "problem" in one]
    assert [one["organisation"] for one in silent] == ["nobody-there"]
    assert len(partly.json["exchanges"]) == 4
