"""`sekisho certs`: what an operator and an auditor do with it, on files."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.certs import app
from gateway.cli.main import call
from tests.unit.certs.networks import Network, a_network

SPEC = """
network = "testnet"
environment = "test"
law_day = 2026-07-01
[[organisations]]
name = "core"
role = "core"
endpoint = "https://127.0.0.1:9001"
[[organisations]]
name = "union"
role = "gateway"
endpoint = "https://127.0.0.1:9003"
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return a_network(datetime.now(UTC).replace(minute=0, second=0)).copy(tmp_path / "n")


class Shell:
    """Runs commands of `certs` and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        assert call(app, [str(word) for word in words]) == code
        shown = self._capsys.readouterr()
        return shown.out if code in {0, 1} and shown.out else shown.err

    def json(self, *words: object, code: int = 0) -> Any:  # JSON of any shape
        return json.loads(self(*words, "--json", code=code))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_a_network_is_made_from_its_file_with_the_shipped_law(shell: Shell, tmp_path: Path) -> None:
    spec = tmp_path / "network.toml"
    spec.write_text(SPEC, encoding="utf-8")

    made = shell.json("init-network", spec, tmp_path / "n")

    assert (made["version"], made["law_day"], made["allow_list_version"]) == (1, "2026-07-01", 1)
    assert [found["name"] for found in made["organisations"]] == ["core", "union"]
    assert "target-not-empty" in shell("init-network", spec, tmp_path / "n", code=1)


def test_a_law_day_is_moved_by_a_new_version_and_taken_back(shell: Shell, network: Network) -> None:
    moved = shell.json("publish", network.path, "--law-day", "2026-06-13")
    back = shell.json("publish", network.path, "--real-days")

    assert (moved["version"], moved["law_day"]) == (2, "2026-06-13")
    assert (back["version"], back["law_day"]) == (3, None)
    assert shell.json("show", network.path)["digest"] == back["digest"]
    assert "長岡市" in shell("show", network.path)


def test_every_kind_of_change_is_published(shell: Shell, network: Network) -> None:
    own = network.path / "organisations" / "union"
    renewed = shell.json("renew-key-set", own)

    changed = shell.json(
        "publish",
        network.path,
        "--key-set",
        renewed["key_set"],
        "--endpoint",
        "union=https://union.example:8443",
        "--withdraw",
        "nagaoka",
        "--new-allow-list",
        "--validity-h",
        "48",
    )

    by_name = {found["name"]: found for found in changed["organisations"]}
    assert by_name["union"]["key_set"] == 2
    assert by_name["union"]["url"] == "https://union.example:8443"
    assert by_name["nagaoka"]["status"] == "withdrawn"
    assert changed["allow_list_version"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--law-day", "2026-06-13", "--real-days"],
        ["--facts", "/nowhere"],
        ["--endpoint", "union"],
    ],
    ids=["two law days", "facts for nothing", "no address"],
)
def test_what_makes_no_sense_is_a_wrong_call(
    shell: Shell, network: Network, words: list[str]
) -> None:
    shell("publish", network.path, *words, code=2)

    assert shell.json("show", network.path)["version"] == 1


def test_keys_above_the_organisations_are_renewed(shell: Shell, network: Network) -> None:
    assert shell.json("renew-permit-key", network.path)["version"] == 2
    assert shell.json("renew-directory-key", network.path)["directory_key_version"] == 2
    assert shell.json("renew-root", network.path)["root_version"] == 2


def test_what_runs_out_is_listed_and_what_has_run_out_is_a_failure(
    shell: Shell, network: Network, tmp_path: Path
) -> None:
    table = shell.json("expiry", network.core)["expiries"]
    assert table[0]["what"] == "directory"
    assert 0 < table[0]["days_left"] <= 1
    union = network.path / "organisations" / "union" / "keys"
    assert "sealing-key" in shell("expiry", union)
    (union / "directory.json").unlink()
    assert "directory" not in {row["what"] for row in shell.json("expiry", union)["expiries"]}

    old = a_network(datetime(2026, 1, 1, tzinfo=UTC)).copy(tmp_path / "old")
    assert shell.json("expiry", old.core, code=1)["expiries"][0]["days_left"] < 0


def test_a_client_certificate_is_issued_once(
    shell: Shell, network: Network, tmp_path: Path
) -> None:
    words = ["issue-client", network.core, "tax", "--target", tmp_path / "tax"]

    issued = shell.json(*words)

    certificate = Path(issued["certificate"]).read_text(encoding="ascii")
    assert "BEGIN CERTIFICATE" in certificate
    assert Path(issued["key"]).stat().st_mode & 0o077 == 0
    assert issued["uri"] == "urn:sekisho:testnet:core:backoffice:tax"
    assert "key-exists" in shell(*words, code=1)
    assert "name-malformed" in shell(
        "issue-client", network.core, "T!", "--target", tmp_path, code=1
    )
    assert "lifetime" in shell(
        "issue-client", network.core, "x", "--target", tmp_path, "--days", 401, code=1
    )


def test_openssl_verifies_what_was_extracted(
    shell: Shell, network: Network, tmp_path: Path
) -> None:
    document = network.core / "key-sets" / "00001.json"

    files = [Path(name) for name in shell.json("extract", document, tmp_path / "x")["files"]]

    (signature,) = (path for path in files if path.name.endswith(".Ed25519.sig"))
    words = ["pkeyutl", "-verify", "-pubin", "-rawin"]
    words += ["-inkey", str(signature.with_suffix(".pem")), "-sigfile", str(signature)]
    subprocess.run(
        ["openssl", *words, "-in", str(tmp_path / "x" / "message.bin")],
        check=True,
        capture_output=True,
    )
    assert len(files) == 5


def test_every_type_of_document_is_extracted_and_nothing_else(
    shell: Shell, network: Network, tmp_path: Path
) -> None:
    for number, name in enumerate(["root.json", "directory.json", "allow-list.json"]):
        files = shell.json("extract", network.core / name, tmp_path / str(number))["files"]
        assert "message.bin" in {Path(file).name for file in files}
    other = tmp_path / "other.json"
    other.write_bytes(b"{}")
    assert "member-missing" in shell("extract", other, tmp_path / "y", code=1)
