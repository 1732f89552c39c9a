"""The settings of one instance: a TOML file, read once, every unknown key refused.

Paths in the file are relative to the file. The only thing the environment may say is where
the file is (SEKISHO_CONFIG), so that what runs can be read in one place.
"""

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from gateway.errors import ConfigurationError

CONFIG_VARIABLE: Final = "SEKISHO_CONFIG"
FILE_BYTES_MAX: Final = 1024 * 1024
CORE_ORGANISATION: Final = "core"  # PROTOCOL §0
CONNECTION_LIFE_S_MAX: Final = 600  # PROTOCOL §1: a connection lives at most 10 minutes

Role = Literal["gateway", "core", "resident-network", "witness"]
Environment = Literal["production", "demo", "test"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3_600)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every table in the file."""


class NetworkSettings(Section, frozen=True, kw_only=True):
    """The network this instance is part of; `keys_dir` holds the pinned root as well."""

    name: Name
    keys_dir: Path
    core_url: str | None = None
    directory_poll_s: Seconds = 60.0
    directory_valid_h: Annotated[int, msgspec.Meta(ge=1, le=168)] = 24
    re_enrolment_delay_h: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24

    @property
    def delay(self) -> timedelta:
        """How long a peer whose keys changed is held when nobody confirms it."""
        return timedelta(hours=self.re_enrolment_delay_h)


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """PostgreSQL; without `dsn` an embedded one starts under the data directory.

    `dsn` is for the running role, `owner_dsn` for the one that owns tables and migrates,
    `checker_dsn` for the one that only reads: without it `dsn` with that role's name, and no
    password.
    """

    dsn: str | None = None
    owner_dsn: str | None = None
    checker_dsn: str | None = None
    pool_connections_max: Annotated[int, msgspec.Meta(ge=1, le=200)] = 8
    migrate_at_start: bool = False

    def __repr__(self) -> str:
        return "DatabaseSettings(masked)"  # a DSN may hold a password


class Pkcs11Settings(Section, frozen=True, kw_only=True):
    """The token whose key wraps the master key; labels of token and key, as the token has them.

    Without `pin_file` the instance starts locked, until `sekisho unlock` is given the PIN.
    """

    module: Path
    token: Label
    key: Label
    pin_file: Path | None = None


class MasterKeySettings(Section, frozen=True, kw_only=True):
    """Where the parent opens the master key, once."""

    source: Literal["file", "passphrase", "pkcs11"] = "file"
    path: Path
    pkcs11: Pkcs11Settings | None = None


class WorkerSettings(Section, frozen=True, kw_only=True):
    """The processes that answer, and how they come and go."""

    count: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    start_timeout_s: Seconds = 60.0
    drain_timeout_s: Seconds = 35.0
    restart_delay_s: Seconds = 0.5
    restart_delay_max_s: Seconds = 30.0
    measure_effort: bool = False


class RecordSettings(Section, frozen=True, kw_only=True):
    """The record log's writer."""

    durability: Literal["local", "replicated"] = "local"
    queue_entries_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 4_096
    batch_entries_max: Annotated[int, msgspec.Meta(ge=1, le=4_096)] = 1_024


class HttpLimits(Section, frozen=True, kw_only=True):
    """What one worker allows on one listener."""

    connections_max: Positive = 512
    connection_life_s: Annotated[float, msgspec.Meta(gt=0, le=CONNECTION_LIFE_S_MAX)] = 600.0
    idle_s: Seconds = 30.0
    handshake_s: Seconds = 10.0
    header_line_bytes_max: Annotated[int, msgspec.Meta(ge=1_024, le=65_536)] = 8_190
    headers_max: Annotated[int, msgspec.Meta(ge=16, le=256)] = 64
    requests_per_s: Annotated[float, msgspec.Meta(gt=0)] = 500.0
    requests_burst: Positive = 1_000


class TlsFiles(Section, frozen=True, kw_only=True):
    """A server certificate with its key, and the CA whose clients may come.

    A listener without this table takes what stands in the key directory.
    """

    certificate: Path
    private_key: Path
    client_ca: Path | None = None


class OpsListener(Section, frozen=True, kw_only=True):
    """For Prometheus and the orchestrator: served by the parent, without TLS."""

    host: str = "127.0.0.1"
    port: Port
    limits: HttpLimits = HttpLimits(connections_max=64)


class NetworkListener(Section, frozen=True, kw_only=True):
    """For the core and other gateways; its TLS comes from the organisation's key directory."""

    host: str = "127.0.0.1"
    port: Port
    limits: HttpLimits = HttpLimits()


class BackofficeListener(Section, frozen=True, kw_only=True):
    """For back-office systems and the registry: client certificates of our own CA."""

    host: str = "127.0.0.1"
    port: Port
    tls: TlsFiles | None = None
    limits: HttpLimits = HttpLimits()


class StaffListener(Section, frozen=True, kw_only=True):
    """For people, and the command line as their client; at a core only where a site wants it."""

    host: str = "127.0.0.1"
    port: Port
    tls: TlsFiles | None = None
    limits: HttpLimits = HttpLimits(requests_per_s=50.0, requests_burst=200)


class Listeners(Section, frozen=True, kw_only=True):
    """Each listener has an address, a trust and limits of its own."""

    ops: OpsListener
    network: NetworkListener | None = None
    backoffice: BackofficeListener | None = None
    staff: StaffListener | None = None


class PolicySettings(Section, frozen=True, kw_only=True):
    """Rules of the site; what is left out comes with the program."""

    release_rules: Path | None = None
    wait_s_max: Annotated[float, msgspec.Meta(ge=0, le=30)] = 30.0


class CoreSettings(Section, frozen=True, kw_only=True):
    """What only the role core knows."""

    allow_list: Path | None = None
    request_expires_days: Annotated[int, msgspec.Meta(ge=1, le=30)] = 7
    providers_per_person_day_max: Positive = 20


class ResidentNetworkSettings(Section, frozen=True, kw_only=True):
    """What only the stand-in for the resident network knows."""

    residents: Path


class BackupSettings(Section, frozen=True, kw_only=True):
    """What backups are sealed to: the public half of `sekisho backup make-key`."""

    public_key: Path | None = None


class LogSettings(Section, frozen=True, kw_only=True):
    """Log lines for operators."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section, frozen=True, kw_only=True):
    """Everything one instance is told before it starts."""

    role: Role
    environment: Environment
    organisation: Name
    data_dir: Path
    network: NetworkSettings
    listeners: Listeners
    master_key: MasterKeySettings
    database: DatabaseSettings = DatabaseSettings()
    workers: WorkerSettings = WorkerSettings()
    records: RecordSettings = RecordSettings()
    policies: PolicySettings = PolicySettings()
    core: CoreSettings | None = None
    resident_network: ResidentNetworkSettings | None = None
    backup: BackupSettings = BackupSettings()
    log: LogSettings = LogSettings()

    @property
    def metrics_dir(self) -> Path:
        """Return where the processes of this run keep their metric values."""
        return self.data_dir / "metrics"

    @property
    def control_socket(self) -> Path:
        """Return the path of the parent's control socket."""
        return self.data_dir / "control.sock"

    @property
    def key_store_dir(self) -> Path:
        """Return where storage, month and day keys live: never in a database backup."""
        return self.data_dir / "keys"

    @property
    def released_dir(self) -> Path:
        """Return where the highest root signed from each slot is kept, outside every backup."""
        return self.data_dir / "released"

    @property
    def cosigned_dir(self) -> Path:
        """Return where the root cosigned last of each stream is kept, outside every backup."""
        return self.data_dir / "cosigned"

    @property
    def archives_dir(self) -> Path:
        """Return where the sealed monthly archives of operation records are kept."""
        return self.data_dir / "archives"

    @property
    def database_dir(self) -> Path:
        """Return where the embedded PostgreSQL keeps its data."""
        return self.data_dir / "postgresql"

    @property
    def is_embedded(self) -> bool:
        """Return whether the parent starts a PostgreSQL of its own."""
        return self.database.dsn is None


def config_path(given: Path | None) -> Path:
    """Return the path of the settings file: as given, or as SEKISHO_CONFIG says."""
    if given is not None:
        return given
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        raise ConfigurationError(f"no settings: give --config or set {CONFIG_VARIABLE}")
    return Path(named)


def load_settings(path: Path) -> Settings:
    """Return the settings in a file, or raise ConfigurationError saying what and where."""
    return parse_settings(read_settings_file(path), base=path.absolute().parent, name=str(path))


def read_settings_file(path: Path) -> bytes:
    """Return what stands in a settings file, or raise ConfigurationError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigurationError(f"{path}: more than {FILE_BYTES_MAX} bytes")
    return raw


def parse_settings(raw: bytes, *, base: Path, name: str = "settings") -> Settings:
    """Return settings from TOML; paths in it are taken from `base`."""

    def absolute(type_: type, value: object) -> object:
        if type_ is Path and isinstance(value, str) and value:
            return base / value
        raise ValueError("a path is a text that is not empty")

    try:
        settings = msgspec.convert(
            tomllib.loads(raw.decode("utf-8")), Settings, strict=True, dec_hook=absolute
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    _check(settings, name)
    return settings


def listener_addresses(settings: Settings) -> dict[str, tuple[str, int]]:
    """Return host and port of every listener that is set up, as the settings say."""
    listeners = settings.listeners
    found = {
        "ops": listeners.ops,
        "network": listeners.network,
        "backoffice": listeners.backoffice,
        "staff": listeners.staff,
    }
    return {name: (one.host, one.port) for name, one in found.items() if one is not None}


_NEEDED: Final[dict[Role, tuple[str, ...]]] = {
    "gateway": ("network", "backoffice", "staff"),
    "core": ("network",),
    "resident-network": ("network",),
    "witness": ("network",),
}
_OPTIONAL: Final[dict[Role, tuple[str, ...]]] = {
    "gateway": (),
    "core": ("staff",),
    "resident-network": (),
    "witness": (),
}


def _check_listeners(settings: Settings, name: str) -> None:
    role = settings.role
    for listener in ("network", "backoffice", "staff"):
        if listener in _OPTIONAL[role]:
            continue
        is_there = getattr(settings.listeners, listener) is not None
        if is_there != (listener in _NEEDED[role]):
            word = "needs" if not is_there else "has no"
            raise ConfigurationError(f"{name}: role {role} {word} [listeners.{listener}]")


def _check(settings: Settings, name: str) -> None:
    """Refuse settings that contradict themselves, each with the keys to change."""
    role = settings.role
    _check_listeners(settings, name)
    if (role == "core") != (settings.organisation == CORE_ORGANISATION):
        raise ConfigurationError(f"{name}: the organisation of role core is {CORE_ORGANISATION}")
    if settings.core is not None and role != "core":
        raise ConfigurationError(f"{name}: [core] is for role core")
    if (settings.resident_network is not None) != (role == "resident-network"):
        raise ConfigurationError(f"{name}: [resident_network] is for role resident-network alone")
    if role == "gateway" and settings.network.core_url is None:
        raise ConfigurationError(f"{name}: role gateway needs network.core_url")
    if (settings.master_key.source == "pkcs11") != (settings.master_key.pkcs11 is not None):
        word = "needs" if settings.master_key.pkcs11 is None else "has no"
        raise ConfigurationError(
            f"{name}: master_key.source {settings.master_key.source} {word} [master_key.pkcs11]"
        )
    _check_ports(settings, name)
    if settings.is_embedded:
        _check_embedded(settings, name)


def _check_ports(settings: Settings, name: str) -> None:
    ports = [port for _, port in listener_addresses(settings).values()]
    if settings.environment == "production" and 0 in ports:
        raise ConfigurationError(f"{name}: port 0 is for demo and test")
    fixed = [port for port in ports if port]
    if len(set(fixed)) != len(fixed):
        raise ConfigurationError(f"{name}: two listeners have one port")


def _check_embedded(settings: Settings, name: str) -> None:
    """Refuse what only a database behind a DSN can be asked for."""
    for key in ("owner_dsn", "checker_dsn"):
        if getattr(settings.database, key) is not None:
            raise ConfigurationError(f"{name}: database.{key} without database.dsn")
    if settings.records.durability == "replicated":
        raise ConfigurationError(f"{name}: records.durability replicated needs database.dsn")
    # A witness alone holds nobody's data (docs/operations/witness.md).
    if settings.environment == "production" and settings.role != "witness":
        raise ConfigurationError(
            f"{name}: environment production needs database.dsn: the embedded database is not for"
            " people's data"
        )
