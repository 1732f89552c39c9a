"""`sekisho clients`: register back-office systems at a running gateway, give them credentials."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from certs.tokens import AssertionAlgorithm
from gateway.app.control import call_control
from gateway.app.credentials import Place, issue_credentials, renew_proof
from gateway.cli.control_calls import call, tell
from gateway.cli.output import ExitCode, print_json, print_rows
from gateway.domain.scopes import SCOPES
from gateway.errors import ConfigurationError, UnavailableError
from gateway.settings import Settings, config_path, load_settings

BACKOFFICE: Final = "backoffice"
COLUMNS: Final = (
    "client_id",
    "state",
    "system",
    "may_ask",
    "may_supply",
    "algorithm",
    "changed_at",
)

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Names = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)]
Yes = Annotated[bool, Parameter(negative="")]

app = App(name="clients", help="Back-office systems that may come in, and what for.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Registered:
    """What a client is registered for.

    Attributes:
        system: The system's name in records; else the client's id.
        scopes: What its tokens may cover (`clients scopes` lists them all).
        procedures: Procedure ids it may ask under; `*` for every one.
        information: Term ids it may ask for or supply; `*` for every one.
        departments: Department codes it may ask for; `*` for every one.
        asks: It may ask.
        supplies: It may supply replicas.
    """

    system: str | None = None
    scopes: Names = ()
    procedures: Names = ()
    information: Names = ()
    departments: Names = ()
    asks: Yes = False
    supplies: Yes = False

    def arguments(self, client_id: str) -> dict[str, object]:
        """Return this as the control command takes it."""
        return {
            "client_id": client_id,
            "system": self.system or client_id,
            "scopes": self.scopes,
            "procedures": self.procedures,
            "information": self.information,
            "departments": self.departments,
            "may_ask": self.asks,
            "may_supply": self.supplies,
        }


NOTHING: Final = Registered()


@app.command
def add(
    client_id: str,
    *,
    registered: Registered = NOTHING,
    credentials: Path | None = None,
    secret: Yes = False,
    public_key: Path | None = None,
    algorithm: AssertionAlgorithm = AssertionAlgorithm.ES256,
    certificate_uri: str | None = None,
    url: str | None = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Register a client; with --credentials its certificate and key are made here as well.

    Args:
        client_id: The client's id: lower-case letters, digits, hyphens.
        registered: What it is registered for.
        credentials: A folder to write certificate, key and credentials.json into.
        secret: Prove by a shared secret (client_secret_jwt) instead of a key of its own.
        public_key: A PEM file with the public key of a client that keeps its own.
        algorithm: How a client with a key of its own signs.
        certificate_uri: The URI in the certificate of a client that has one already.
        url: Where the client finds the gateway; else the listener's own address.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    settings = _settings(config)
    arguments = registered.arguments(client_id)
    if credentials is not None and public_key is None and certificate_uri is None:
        issued = issue_credentials(
            settings.network.keys_dir,
            client_id,
            target=credentials,
            place=_place(settings, url),
            now=datetime.now(UTC),
            with_secret=secret,
        )
        arguments |= {"certificate_uri": issued.certificate.uri, "proof": issued.proof}
        code = tell(settings, "clients-add", arguments, json=json)
        if code is not ExitCode.DONE:
            issued.discard()
        return code
    if credentials is None and public_key is not None and certificate_uri is not None:
        proof = {"algorithm": algorithm.value, "public_key": _read(public_key)}
        arguments |= {"certificate_uri": certificate_uri, "proof": proof}
        return tell(settings, "clients-add", arguments, json=json)
    raise ConfigurationError("give --credentials, or --public-key with --certificate-uri")


@app.command(name="list")
def list_clients(*, config: Config = None, json: Json = False) -> int:
    """List all clients.

    Args:
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    result, code = call(_settings(config), "clients-list", {})
    if json:
        print_json(result)
    elif isinstance(rows := result.get("clients"), list):
        print_rows(rows, columns=COLUMNS)
    return code


@app.command
def show(client_id: str, *, config: Config = None, json: Json = False) -> int:
    """Show one client.

    Args:
        client_id: The client's id.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    return tell(_settings(config), "clients-show", {"client_id": client_id}, json=json)


@app.command
def disable(client_id: str, *, config: Config = None, json: Json = False) -> int:
    """Keep a client out; its tokens end within seconds.

    Args:
        client_id: The client's id.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    return tell(_settings(config), "clients-disable", {"client_id": client_id}, json=json)


@app.command
def enable(client_id: str, *, config: Config = None, json: Json = False) -> int:
    """Let a client in again.

    Args:
        client_id: The client's id.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    return tell(_settings(config), "clients-enable", {"client_id": client_id}, json=json)


@app.command
def rotate(
    client_id: str,
    *,
    credentials: Path | None = None,
    secret: Yes = False,
    public_key: Path | None = None,
    algorithm: AssertionAlgorithm = AssertionAlgorithm.ES256,
    config: Config = None,
    json: Json = False,
) -> int:
    """Give a client another key; the one before ends at once.

    Args:
        client_id: The client's id.
        credentials: Its credentials.json, to be given a new key or secret.
        secret: Prove by a shared secret from now on.
        public_key: A PEM file with the new public key of a client that keeps its own.
        algorithm: How a client with a key of its own signs.
        config: The settings of the gateway.
        json: Print one JSON document.
    """
    if public_key is not None and credentials is None:
        proof = {"algorithm": algorithm.value, "public_key": _read(public_key)}
    elif credentials is not None and public_key is None:
        proof = renew_proof(credentials, with_secret=secret)
    else:
        raise ConfigurationError("give --credentials or --public-key")
    return tell(
        _settings(config), "clients-rotate", {"client_id": client_id, "proof": proof}, json=json
    )


@app.command(name="scopes")
def list_scopes(*, json: Json = False) -> int:
    """List the scopes a client can be registered for.

    Args:
        json: Print one JSON document.
    """
    if json:
        print_json({"scopes": sorted(SCOPES)})
    else:
        print_rows([{"scope": scope} for scope in sorted(SCOPES)], columns=("scope",))
    return ExitCode.DONE


def _settings(config: Path | None) -> Settings:
    path = config_path(config)
    settings = load_settings(path)
    if settings.role != "gateway":
        raise ConfigurationError(f"{path}: role is {settings.role}, not gateway")
    return settings


def _place(settings: Settings, url: str | None) -> Place:
    if url is None:
        reply = call_control(settings.control_socket, "status")
        addresses = (reply.result or {}).get("addresses")
        if not isinstance(addresses, dict) or BACKOFFICE not in addresses:
            raise UnavailableError("the gateway says no address; give --url")
        url = f"https://{addresses[BACKOFFICE]}"
    issuer = f"urn:sekisho:{settings.network.name}:{settings.organisation}:{BACKOFFICE}"
    return Place(url=url, issuer=issuer)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: no PEM file") from None
