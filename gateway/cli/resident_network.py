"""`sekisho resident-network`: run the stand-in for the resident network, load who is in it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TextIO

from cyclopts import App, Parameter

from certs.certificates import CLIENT_DAYS
from certs.own_keys import certificate_files, load_ca
from gateway.app.control import call_control
from gateway.cli.output import ExitCode, errors, print_fields, print_one
from gateway.cli.serve import resident_network
from gateway.core.resident_file import read_chunks
from gateway.core.resident_routes import REGISTRY, registry_uri
from gateway.errors import ConfigurationError
from gateway.settings import Settings, config_path, load_settings

STDIN: Final = "-"
COMMAND: Final = "residents-load"
ROLE: Final = "resident-network"
CA: Final = "backoffice"

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(name=ROLE, help="The stand-in for the resident network (J-LIS).")
app.default(resident_network)


@app.command
def load(file: str, *, config: Config = None, json: Json = False) -> int:
    """Load residents into the running stand-in; changed resident-record codes go to the core.

    Args:
        file: CSV with the header my_number,resident_code; `-` reads standard input.
        config: The settings of the running instance.
        json: Print one JSON document.
    """
    settings = _settings(config)
    loaded = changed = 0
    with _opened(file) as lines:
        for chunk in read_chunks(lines):
            reply = call_control(settings.control_socket, COMMAND, {"residents": chunk})
            if reply.problem is not None or reply.result is None:
                title = (reply.problem or {}).get("title")
                errors.print(f"sekisho: {title} (after {loaded} residents)", markup=False)
                return ExitCode.FAILED
            loaded += int(str(reply.result["loaded"]))
            changed += int(str(reply.result["changed"]))
    result = {"loaded": loaded, "changed": changed}
    print_one(result, as_json=json)
    return ExitCode.DONE


@app.command(name="issue-registry")
def issue_registry(
    organisation: str, target: Path, *, config: Config = None, days: int = CLIENT_DAYS
) -> int:
    """Issue the client certificate of an organisation's registry, and the CA it will meet.

    Args:
        organisation: The organisation's name in the directory.
        target: A directory for tls/registry.*.pem and tls/resident-network-ca.cert.pem.
        config: The settings of the resident network's instance.
        days: How long the certificate is good.
    """
    settings = _settings(config)
    keys = settings.network.keys_dir
    ca = load_ca(keys, CA)
    issued = ca.issue_client(
        f"{organisation} registry",
        uri=registry_uri(settings.network.name, organisation),
        now=datetime.now(UTC),
        days=days,
    )
    files = certificate_files(target, REGISTRY)
    files.store(issued.certificate, issued.key)
    authority = certificate_files(target, f"{ROLE}-ca").certificate
    authority.write_bytes(certificate_files(keys, f"{CA}-ca").certificate.read_bytes())
    print_fields({"certificate": str(files.certificate), "ca": str(authority)})
    return ExitCode.DONE


def _settings(config: Path | None) -> Settings:
    path = config_path(config)
    settings = load_settings(path)
    if settings.role != ROLE:
        raise ConfigurationError(f"{path}: role is {settings.role}, not {ROLE}")
    return settings


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    if file == STDIN:
        yield sys.stdin
        return
    with Path(file).open(encoding="utf-8", newline="") as opened:
        yield opened
