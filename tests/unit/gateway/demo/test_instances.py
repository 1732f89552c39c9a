"""How instances of the demonstration are set up."""

from pathlib import Path

from gateway.demo import cast
from gateway.demo.instances import PORTS, Tuning, free_ports, instances, lay_out
from gateway.settings import load_settings


def test_ports_are_distinct_and_not_those_of_outgoing_connections() -> None:
    ports = free_ports([str(number) for number in range(50)])

    assert len(set(ports.values())) == 50
    assert all(port in PORTS for port in ports.values())


def test_every_instance_has_settings_that_its_role_takes(tmp_path: Path) -> None:
    everybody = instances(tmp_path, cast.GATEWAYS, with_residents=True)
    ports = free_ports([instance.name for instance in everybody])

    for instance in everybody:
        lay_out(instance, ports, Tuning(workers=3))
        settings = load_settings(instance.config)
        network = settings.listeners.network
        assert network is not None
        assert (settings.role, settings.organisation) == (instance.role, instance.name)
        assert (network.port, settings.workers.count) == (ports[instance.name], 3)
        assert settings.environment == "demo"
        assert instance.cluster == settings.database_dir / "cluster"
