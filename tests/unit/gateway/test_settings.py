from pathlib import Path

import pytest

from certs.master_token import TokenPlace
from gateway.app.own_folder import master_place
from gateway.errors import ConfigurationError
from gateway.settings import config_path, listener_addresses, load_settings, parse_settings

CONFIG = Path(__file__).parents[3] / "config"
BASE = Path("/etc/sekisho")
CORE = """\
role = "core"
environment = "test"
organisation = "core"
data_dir = "data"
[network]
name = "test"
keys_dir = "keys"
[master_key]
path = "/run/master.key"
[listeners.network]
port = 8443
[listeners.ops]
port = 9090
"""

TOKEN = """\
[master_key.pkcs11]
module = "/usr/lib/token.so"
token = "one"
key = "master"
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text.encode(), base=BASE)
    return str(caught.value)


@pytest.mark.parametrize("name", ["gateway.example.toml", "dev.toml", "test.toml"])
def test_every_file_that_is_shipped_loads(name: str) -> None:
    assert load_settings(CONFIG / name).organisation


def test_the_example_leaves_no_key_of_the_role_gateway_out() -> None:
    settings = load_settings(CONFIG / "gateway.example.toml")

    written = (CONFIG / "gateway.example.toml").read_text()
    for section in (
        settings.network,
        settings.master_key,
        settings.database,
        settings.workers,
        settings.records,
        settings.policies,
        settings.log,
        settings.listeners.ops.limits,
    ):
        for field in section.__struct_fields__:
            assert f"{field} = " in written or f".{field}]" in written, field


def test_paths_are_taken_from_the_folder_of_the_file() -> None:
    settings = parse_settings(CORE.encode(), base=BASE)

    assert settings.network.keys_dir == BASE / "keys"
    assert settings.master_key.path == Path("/run/master.key")
    assert settings.control_socket == BASE / "data" / "control.sock"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[network]", "[network]\nnmae = 'x'"), "unknown field `nmae` - at `$.network`"),
        (("port = 8443", "port = '8443'"), "at `$.listeners.network.port`"),
        (('data_dir = "data"', "data_dir = ''"), "at `$.data_dir`"),
        (("port = 9090", "port = 8443"), "two listeners have one port"),
        (('role = "core"', 'role = "resident-network"'), "the organisation of role core"),
        (("[master_key]", "[core]\nrequest_expires_days = 31\n[master_key]"), "`$.core.request_"),
        (("[master_key]", "[resident_network]\nresidents='r'\n[master_key]"), "resident_network"),
        (("[master_key]", "[records]\ndurability='replicated'\n[master_key]"), "needs database"),
        (("[master_key]", "[database]\nowner_dsn='x'\n[master_key]"), "owner_dsn without"),
        (("[master_key]", "[database]\nchecker_dsn='x'\n[master_key]"), "checker_dsn without"),
        (("path = ", "source = 'pkcs11'\npath = "), "source pkcs11 needs [master_key.pkcs11]"),
        (("[listeners.network]", f"{TOKEN}[listeners.network]"), "source file has no [master_key"),
        (("path = ", "source = 'tpm'\npath = "), "at `$.master_key.source`"),
        (("path = ", "words = 'x'\npath = "), "unknown field `words` - at `$.master_key`"),
        (("[listeners.network]", f"{TOKEN}pin = '1'\n[listeners.network]"), "unknown field `pin`"),
        (("[listeners.network]", "[master_key.pkcs11]\n[listeners.network]"), "`module`"),
        (('environment = "test"', 'environment = "staging"'), "at `$.environment`"),
        (("[listeners.network]", "[listeners.staff]"), "needs [listeners.network]"),
        (("[master_key]", "[listeners.backoffice]\nport=1\n[master_key]"), "has no [listeners.b"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_with_their_place(
    change: tuple[str, str], words: str
) -> None:
    assert words in refusal(CORE.replace(*change, 1))


def test_a_gateway_needs_all_its_listeners_and_the_core() -> None:
    text = CORE.replace('"core"', '"gateway"', 1).replace('"core"', '"nagaoka-shi"', 1)

    assert "role gateway needs [listeners.backoffice]" in refusal(text)


def test_a_core_has_people_where_a_site_wants_them() -> None:
    text = CORE.replace("[master_key]", "[listeners.staff]\nport = 8442\n[master_key]", 1)
    alone, with_people = (parse_settings(one.encode(), base=BASE) for one in (CORE, text))

    assert "staff" not in listener_addresses(alone)
    assert listener_addresses(with_people)["staff"] == ("127.0.0.1", 8442)


def test_port_0_is_not_for_production() -> None:
    text = CORE.replace('"test"', '"production"', 1).replace("8443", "0")

    assert "port 0" in refusal(text)


@pytest.mark.parametrize(("role", "is_refused"), [("core", True), ("witness", False)])
def test_people_s_data_is_in_no_embedded_database_in_production(
    role: str, *, is_refused: bool
) -> None:
    text = CORE.replace('"test"', '"production"', 1)
    if role != "core":
        text = text.replace('"core"', f'"{role}"', 1).replace('"core"', '"audit-office"', 1)
    behind_dsn = text + '[database]\ndsn = "postgresql://sekisho_app@db1/sekisho"\n'

    assert parse_settings(behind_dsn.encode(), base=BASE).environment == "production"
    if is_refused:
        assert "environment production needs database.dsn" in refusal(text)
    else:
        assert parse_settings(text.encode(), base=BASE).is_embedded


def test_a_path_alone_means_a_key_in_a_file_and_a_token_is_named_whole() -> None:
    token = CORE.replace("path = ", "source = 'pkcs11'\npath = ").replace(
        "[listeners.network]", f"{TOKEN}pin_file = 'token.pin'\n[listeners.network]"
    )
    place = master_place(parse_settings(token.encode(), base=BASE).master_key)
    typed = master_place(
        parse_settings(token.replace("pin_file = 'token.pin'", "").encode(), base=BASE).master_key
    )

    assert parse_settings(CORE.encode(), base=BASE).master_key.source == "file"
    assert place.token == TokenPlace(
        module=Path("/usr/lib/token.so"), token="one", key="master", pin_file=BASE / "token.pin"
    )
    assert (place.typed, typed.typed) == (None, "pin")


def test_what_is_no_toml_is_refused() -> None:
    assert "no TOML" in refusal("role = ")
    with pytest.raises(ConfigurationError, match="No such file"):
        load_settings(Path("/nowhere/gateway.toml"))


def test_the_environment_names_the_file_only_when_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEKISHO_CONFIG", "/etc/a.toml")

    assert config_path(None) == Path("/etc/a.toml")
    assert config_path(Path("b.toml")) == Path("b.toml")

    monkeypatch.delenv("SEKISHO_CONFIG")
    with pytest.raises(ConfigurationError, match="SEKISHO_CONFIG"):
        config_path(None)


def test_a_dsn_is_never_shown() -> None:
    text = CORE + "[database]\ndsn = 'postgresql://u:secret@db/x'\n"

    assert "secret" not in repr(parse_settings(text.encode(), base=BASE))
