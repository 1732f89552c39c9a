"""Where the demonstration's instances lie and how each of them is set up."""

import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.keystore import MasterKey
from gateway.demo import cast
from gateway.settings import Role

HOST: Final = "127.0.0.1"
SETTINGS: Final = "settings.toml"
PORTS: Final = range(20_000, 32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a run changes in everybody's settings."""

    workers: int = 1
    requests_per_s: float = 500.0
    pool_connections: int = 4
    log_level: str = "warning"
    directory_poll_s: float = 1.0
    measure_effort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One party's instance: `folder` holds its settings, data and log, `own` its keys."""

    name: str
    role: Role
    folder: Path
    own: Path

    @property
    def config(self) -> Path:
        """Return the settings file."""
        return self.folder / SETTINGS

    @property
    def keys(self) -> Path:
        """Return the key directory of the running gateway."""
        return self.own / "keys"

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.folder / "data"

    @property
    def cluster(self) -> Path:
        """Return where the embedded PostgreSQL looks for its cluster."""
        return self.data / "postgresql" / "cluster"

    @property
    def log(self) -> Path:
        """Return the file that standard output and error go to."""
        return self.folder / "log"


def instances(folder: Path, gateways: Sequence[str], *, with_residents: bool) -> list[Instance]:
    """Return the core, these gateways, and the resident network's stand-in where it is wanted."""
    roles: dict[str, Role] = {cast.CORE: "core"}
    if with_residents:
        roles[cast.RESIDENT_NETWORK] = "resident-network"
    roles |= dict.fromkeys(gateways, "gateway")
    return [
        Instance(
            name=name,
            role=role,
            folder=folder / "instances" / name,
            own=folder / "network" / "organisations" / name,
        )
        for name, role in roles.items()
    ]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return a port for each name that nobody listened on a moment ago.

    They are used seconds later: so none is from the range out of which the system gives ports to
    outgoing connections.
    """
    chance = secrets.SystemRandom()
    found: set[int] = set()
    while len(found) < len(names):
        port = chance.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            found.add(port)
    return dict(zip(names, found, strict=True))


def lay_out(instance: Instance, ports: Mapping[str, int], tuning: Tuning) -> None:
    """Write an instance's settings and make its master key."""
    instance.data.mkdir(mode=0o700, parents=True)
    MasterKey.generate().to_file(instance.folder / "master.key")
    instance.config.write_text(settings_text(instance, ports, tuning), encoding="utf-8")


def settings_text(instance: Instance, ports: Mapping[str, int], tuning: Tuning) -> str:
    """Return an instance's settings as TOML; its network port is fixed, the others are free."""
    parts = [
        f"""\
role = "{instance.role}"
environment = "demo"
organisation = "{instance.name}"
data_dir = "data"

[network]
name = "{cast.NETWORK}"
keys_dir = "{instance.keys}"
directory_poll_s = {tuning.directory_poll_s}""",
        f'core_url = "https://{HOST}:{ports[cast.CORE]}"' if instance.role == "gateway" else "",
        f"""
[master_key]
path = "master.key"

[workers]
count = {tuning.workers}
drain_timeout_s = 5.0
measure_effort = {str(tuning.measure_effort).lower()}

[database]
pool_connections_max = {tuning.pool_connections}

[log]
level = "{tuning.log_level}"

[listeners.ops]
port = 0
""",
        _listener("network", ports[instance.name], tuning),
    ]
    if instance.role == "gateway":
        parts += [_listener("backoffice", 0, tuning), _listener("staff", 0, tuning)]
    if instance.role == "resident-network":
        parts.append('[resident_network]\nresidents = "residents.csv"\n')
    return "\n".join(part for part in parts if part)


def _listener(name: str, port: int, tuning: Tuning) -> str:
    return f"""\
[listeners.{name}]
port = {port}

[listeners.{name}.limits]
requests_per_s = {tuning.requests_per_s}
requests_burst = {int(2 * tuning.requests_per_s)}
"""
