"""`sekisho witness` as it is run: settings, keys, a database of its own, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from certs.network import init_network
from certs.network_spec import OrganisationSpec
from certs.own_keys import PrivateKeySet
from certs.publish import read_directory
from certs.tls import network_client_context
from gateway.demo import cast
from gateway.demo.instances import HOST, Instance, Tuning, free_ports, lay_out
from gateway.demo.processes import running
from gateway.records.note import parse_note, verify_cosignature, witness_name
from tests.e2e.witnesses.scene import AUDIT_OFFICE, LiarsLog
from tests.integration.core.world import WorldClock


async def test_a_witness_alone_comes_up_and_cosigns(tmp_path: Path) -> None:
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
    tls = network_client_context(city.network_certificate, directory.certificates(AUDIT_OFFICE))
    log = LiarsLog(
        origin=f"{cast.NETWORK}/{cast.NAGAOKA}/log/0", signer=city.log, clock=WorldClock()
    )

    async with running([instance]) as fleet, aiohttp.ClientSession() as session:
        ops = f"http://{fleet[AUDIT_OFFICE].addresses['ops']}"
        seen = {}
        for path in ("/livez", "/readyz", "/metrics"):
            async with session.get(ops + path) as response:
                seen[path] = response.status
        url = directory.organisation(AUDIT_OFFICE).url + "/add-checkpoint"
        async with session.post(url, data=log.request(0, 3), ssl=tls) as response:
            line = await response.text()

    assert set(seen.values()) == {200}
    key = directory.witness_key_at(AUDIT_OFFICE, datetime.now(UTC))
    name = witness_name(cast.NETWORK, AUDIT_OFFICE)
    assert verify_cosignature(parse_note(log.note(3) + line), name=name, key=key) > 0
