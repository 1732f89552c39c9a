"""`sekisho witness` as it is run: settings, keys, a database of its own, and nothing else."""

import asyncio
import json
import shutil
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from certs.directory import Directory
from certs.network import init_network
from certs.network_spec import OrganisationSpec
from certs.own_keys import PrivateKeySet
from certs.publish import read_directory
from certs.tls import network_client_context
from gateway.cli.main import build_app, call
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.demo.instances import HOST, Instance, Tuning, free_ports, lay_out
from gateway.demo.processes import Starting, running
from gateway.records.note import parse_note, verify_cosignature, witness_name
from tests.e2e.witnesses.scene import AUDIT_OFFICE, LiarsLog
from tests.integration.core.world import WorldClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A witness that is not running yet, and a log that names it."""

    instance: Instance
    directory: Directory
    log: LiarsLog
    tls: ssl.SSLContext

    async def post(self, session: aiohttp.ClientSession, body: str) -> tuple[int, str]:
        url = self.directory.organisation(AUDIT_OFFICE).url + "/add-checkpoint"
        async with session.post(url, data=body, ssl=self.tls) as response:
            return response.status, await response.text()


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    names = (cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS, AUDIT_OFFICE)
    ports = free_ports(names)
    spec = cast.network_spec(ports)
    outsider = OrganisationSpec(
        name=AUDIT_OFFICE, role="witness", endpoint=f"https://{HOST}:{ports[AUDIT_OFFICE]}", slots=0
    )
    organisations = [
        replace(one, witnesses=(AUDIT_OFFICE,)) if one.name == cast.NAGAOKA else one
        for one in spec.organisations
    ]
    network = tmp_path / "network"
    init_network(
        replace(spec, organisations=(*organisations, outsider)),
        network,
        allow_list=cast.allow_list().to_document(),
        now=datetime.now(UTC),
    )
    own = network / "organisations"
    instance = Instance(
        name=AUDIT_OFFICE, role="witness", folder=tmp_path / "instance", own=own / AUDIT_OFFICE
    )
    lay_out(instance, ports, Tuning())
    city = PrivateKeySet.load(own / cast.NAGAOKA / "keys")
    directory = read_directory(own / cast.CORE / "keys")
    return Alone(
        instance=instance,
        directory=directory,
        log=LiarsLog(
            origin=f"{cast.NETWORK}/{cast.NAGAOKA}/log/0", signer=city.log, clock=WorldClock()
        ),
        tls=network_client_context(city.network_certificate, directory.certificates(AUDIT_OFFICE)),
    )


async def test_a_witness_alone_comes_up_and_cosigns(alone: Alone) -> None:
    async with running([alone.instance]) as fleet, aiohttp.ClientSession() as session:
        ops = f"http://{fleet[AUDIT_OFFICE].addresses['ops']}"
        seen = {}
        for path in ("/livez", "/readyz", "/metrics"):
            async with session.get(ops + path) as response:
                seen[path] = response.status
        _, line = await alone.post(session, alone.log.request(0, 3))

    assert set(seen.values()) == {200}
    key = alone.directory.witness_key_at(AUDIT_OFFICE, datetime.now(UTC))
    name = witness_name(cast.NETWORK, AUDIT_OFFICE)
    assert verify_cosignature(parse_note(alone.log.note(3) + line), name=name, key=key) > 0


async def test_a_witness_restored_without_its_marks_signs_when_its_operator_says_so(
    alone: Alone, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running([alone.instance]), aiohttp.ClientSession() as session:
        first = await alone.post(session, alone.log.request(0, 3))
    # What a backup restored on another machine finds there.
    shutil.rmtree(alone.instance.data / "cosigned")

    again = await Starting.launch(alone.instance)
    try:
        listed = await once_answered(alone.instance, capsys)
        async with aiohttp.ClientSession() as session:
            refused = await alone.post(session, alone.log.request(3, 5))
            capsys.readouterr()
            accepted = await asyncio.to_thread(sekisho, "accept", alone.instance)
            printed = capsys.readouterr().out
            await again.ready()
            signed = await alone.post(session, alone.log.request(3, 5))
    finally:
        await again.end()

    assert (first[0], refused[0], signed[0]) == (200, 503, 200)
    assert json.loads(refused[1])["type"].endswith("cosigned-forgotten")
    assert listed["held_back"] is True
    assert accepted == ExitCode.DONE
    assert cast.NAGAOKA in printed
    row = {
        "organisation": cast.NAGAOKA,
        "slot": 0,
        "size": 3,
        "root": alone.log.tree(3).root().hex(),
    }
    assert listed["streams"] == [row]


async def once_answered(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> Mapping[str, object]:
    """Return what waits for the operator, once somebody is there to say it."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(sekisho, "list", instance, "--json") != ExitCode.DONE:
            capsys.readouterr()
            await asyncio.sleep(0.1)
    listed: Mapping[str, object] = json.loads(capsys.readouterr().out)
    return listed


def sekisho(command: str, instance: Instance, *more: str) -> int:
    return call(build_app(), ["cosigning", command, "--config", str(instance.config), *more])
