"""`sekisho core` and `sekisho resident-network` beside running: look, load, issue."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from certs.network import init_network
from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.app.resident_role import LOAD_COMMAND
from gateway.cli.main import build_app, call
from gateway.core.resident_routes import registry_uri
from gateway.demo import cast
from gateway.demo.instances import Instance, Tuning, instances, lay_out
from gateway.demo.registry import registry_tls
from gateway.errors import InvalidRequestError
from gateway.settings import load_settings


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Instance]:
    """Keys and settings of core and resident network; nothing runs."""
    folder = tmp_path_factory.mktemp("roles")
    ports = {name: 1024 + place for place, name in enumerate(_names())}
    init_network(
        cast.network_spec(ports),
        folder / "network",
        allow_list=cast.allow_list().to_document(),
        now=datetime.now(UTC),
    )
    found = {one.name: one for one in instances(folder, [], with_residents=True)}
    for instance in found.values():
        lay_out(instance, ports, Tuning())
    return found


def _names() -> list[str]:
    return [cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS]


def sekisho(*arguments: object) -> int:
    return call(build_app(), [str(argument) for argument in arguments])


def test_the_directory_beside_the_cores_keys_is_shown(
    laid_out: dict[str, Instance], capsys: pytest.CaptureFixture[str]
) -> None:
    code = sekisho("core", "directory", "--config", laid_out[cast.CORE].config, "--json")

    shown = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (shown["version"], shown["law_day"]) == (1, "2026-07-01")
    assert shown["organisations"] == sorted(_names())


def test_commands_refuse_settings_of_another_role(laid_out: dict[str, Instance]) -> None:
    residents, core = laid_out[cast.RESIDENT_NETWORK].config, laid_out[cast.CORE].config

    assert sekisho("core", "directory", "--config", residents) == 2
    assert sekisho("resident-network", "load", "-", "--config", core) == 2


def test_an_issued_certificate_names_the_organisations_registry(
    laid_out: dict[str, Instance], tmp_path: Path
) -> None:
    config = laid_out[cast.RESIDENT_NETWORK].config

    code = sekisho("resident-network", "issue-registry", cast.NAGAOKA, tmp_path, "--config", config)

    assert code == 0
    raw = (tmp_path / "tls" / "registry.cert.pem").read_bytes()
    names = x509.load_pem_x509_certificate(raw).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [
        registry_uri(cast.NETWORK, cast.NAGAOKA)
    ]
    assert isinstance(registry_tls(tmp_path), ssl.SSLContext)


class Stand:
    """A running stand-in, as far as its control socket goes."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    async def handle(self, command: str, arguments: Mapping[str, object]) -> ControlReply:
        assert command == LOAD_COMMAND
        lines = arguments["residents"]
        assert isinstance(lines, list)
        if ["0", "0"] in lines:
            raise InvalidRequestError("residents: my-number")
        self.lines += lines
        return ControlReply(result={"loaded": len(lines), "changed": 1})


@pytest.mark.parametrize(("bad", "code"), [(False, 0), (True, 1)])
async def test_a_file_is_loaded_over_the_control_socket_in_chunks(
    *,
    laid_out: dict[str, Instance],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bad: bool,
    code: int,
) -> None:
    config = laid_out[cast.RESIDENT_NETWORK].config
    settings, stand = load_settings(config), Stand()
    server = ControlServer(settings.control_socket, stand.handle)
    await server.start()
    file = tmp_path / "residents.csv"
    last = "0,0\n" if bad else ""
    file.write_text(
        "my_number,resident_code\n" + "".join(f"{n:012d},{n:011d}\n" for n in range(501)) + last
    )

    ended = await asyncio.to_thread(
        sekisho, "resident-network", "load", file, "--config", config, "--json"
    )
    await server.stop()

    told = capsys.readouterr()
    assert ended == code
    if bad:
        assert "after 500 residents" in told.err
        assert len(stand.lines) == 500
    else:
        assert json.loads(told.out) == {"loaded": 501, "changed": 2}
        assert len(stand.lines) == 501
