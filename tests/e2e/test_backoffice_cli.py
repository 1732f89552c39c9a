"""Back-office commands as people and scripts use them, and the operator's register of clients."""

import json
from collections.abc import AsyncIterator, Mapping
from itertools import chain
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.domain.scopes import INQUIRIES_READ, INQUIRIES_WRITE
from gateway.flows.flags import CLIENT, FlagMaker, Flags, NewFlag
from gateway.wire.codec import encode_json
from policies.release import Flag
from tests.e2e.clients import address_of, register
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import run_offline
from tests.e2e.test_backoffice import TAX, an_inquiry

UNION = cast.GUNMA_UNION


@pytest.fixture(scope="module")
async def credentials(network: Network) -> Path:
    return await register(network, UNION, "kouki-cli")


@pytest.fixture(scope="module")
async def config(network: Network) -> AsyncIterator[Path]:
    """The settings of a gateway whose operator sits at its control socket."""
    party = network.parties[UNION]

    async def handle(command: str, arguments: Mapping[str, object]) -> ControlReply:
        if command == "status":
            address = address_of(network, UNION).removeprefix("https://")
            return ControlReply(result={"addresses": {"backoffice": address}})
        return ControlReply(result=dict(await party.role.commands[command](arguments)))

    server = ControlServer(party.settings.control_socket, handle)
    await server.start()
    path = network.folder / "union.toml"
    path.write_text(
        f"""
        role = "gateway"
        environment = "test"
        organisation = "{UNION}"
        data_dir = "data/{UNION}"
        [network]
        name = "{cast.NETWORK}"
        keys_dir = "network/organisations/{UNION}/keys"
        core_url = "https://127.0.0.1:1"
        [master_key]
        path = "data/{UNION}.master.key"
        [listeners.ops]
        port = 0
        [listeners.network]
        port = 0
        [listeners.backoffice]
        port = 0
        [listeners.staff]
        port = 0
        """
    )
    yield path
    await server.stop()


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


async def test_an_inquiry_is_asked_shown_listed_and_acknowledged_by_commands(
    people: People, credentials: Path, tmp_path: Path
) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    file = written(tmp_path / "inquiry.json", encode_json(an_inquiry(number.text)))
    reach = ("--credentials", str(credentials))

    asked = await run_offline("inquiries", "ask", file, "--wait", "20", *reach)
    shown = await run_offline("inquiries", "show", asked.json["id"], *reach)
    listed = await run_offline("inquiries", "list", "--state", "provided", *reach)
    done = await run_offline("inquiries", "acknowledge", asked.json["id"], *reach)
    late = await run_offline("inquiries", "withdraw", asked.json["id"], *reach)

    assert (asked.code, asked.json["state"]) == (ExitCode.DONE, "provided")
    assert shown.json["result"]["records"][0]["items"] == {"XTK0000010000003": 3500}
    assert asked.json["id"] in [one["id"] for one in listed.json["inquiries"]]
    assert (done.code, done.json["done"]) == (ExitCode.DONE, "acknowledged")
    assert (late.code, late.json["type"]) == (ExitCode.FAILED, "conflict")


async def test_what_the_law_refuses_ends_with_three(credentials: Path, tmp_path: Path) -> None:
    inquiry = an_inquiry("1", information="道府県民税に関する情報")
    file = written(tmp_path / "inquiry.json", encode_json(inquiry))

    asked = await run_offline("inquiries", "ask", file, "--credentials", str(credentials))

    assert (asked.code, asked.json["type"]) == (ExitCode.REFUSED, "refused")


async def test_what_is_withheld_ends_with_four(
    network: Network, people: People, credentials: Path, tmp_path: Path
) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    flag = NewFlag(unified_number=number, kind=Flag.AUTOMATIC_ANSWER_DISABLED, reason="dv")
    flags = Flags(network.gateway(cast.NAGAOKA).context)
    await flags.set(flag, by=FlagMaker(name="shimin", kind=CLIENT))
    file = written(tmp_path / "inquiry.json", encode_json(an_inquiry(number.text)))

    asked = await run_offline(
        "inquiries", "ask", file, "--wait", "20", "--credentials", str(credentials)
    )

    assert (asked.code, asked.json["state"]) == (ExitCode.WITHHELD, "withheld")


async def test_what_cannot_be_read_ends_with_two_and_is_not_repeated(
    credentials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "inquiry.json", b'{"unified_number": "123456789", "x": 1}')

    asked = await run_offline("inquiries", "ask", file, "--credentials", str(credentials))

    assert asked.code == ExitCode.USAGE
    assert "123456789" not in capsys.readouterr().err


async def test_a_batch_is_loaded_shown_and_looked_up_by_commands(
    credentials: Path, tmp_path: Path
) -> None:
    lines = [
        {"kind": "change", "term": TAX, "layout": "7.0", "rows": 2},
        {
            "unified_number": "424242",
            "record_key": "2026",
            "published_from": "2026-06-01",
            "items": {"XTK0000010000003": 7},
        },
        {"unified_number": "424242", "record_key": "2026"},
    ]
    file = written(tmp_path / "batch.jsonl", "\n".join(map(json.dumps, lines)).encode())
    number = written(tmp_path / "number", b"424242\n")
    reach = ("--credentials", str(credentials))

    loaded = await run_offline("replicas", "load", file, *reach)
    shown = await run_offline("replicas", "show", loaded.json["id"], *reach)
    found = await run_offline("replicas", "lookup", TAX, "--file", number, *reach)
    missing = await run_offline("replicas", "show", "0" * 32, *reach)

    assert (loaded.code, loaded.json["state"], loaded.json["rows_put"]) == (0, "applied", 1)
    assert shown.json["findings"] == [{"ordinal": 2, "reason": "no-items"}]
    assert [one["items"] for one in found.json["records"]] == [{"XTK0000010000003": 7}]
    assert (missing.code, missing.json["type"]) == (ExitCode.FAILED, "not-found")


async def test_codes_are_acquired_and_looked_up_by_commands(
    credentials: Path, tmp_path: Path
) -> None:
    numbers = written(tmp_path / "numbers", b"31\n32\n")
    reach = ("--credentials", str(credentials))

    acquired = await run_offline("codes", "acquire", numbers, *reach)
    standing = await run_offline("codes", "lookup", numbers, *reach)
    listed = await run_offline("codes", "list", "--state", "requested", *reach)

    assert acquired.code == ExitCode.DONE
    assert len({one["acquisition_number"] for one in acquired.json["acquisitions"]}) == 2
    assert [one["state"] for one in standing.json["people"]] == ["requested", "requested"]
    assert len(listed.json["acquisitions"]) == 2


async def test_a_client_is_added_by_command_and_signs_in_with_what_was_written(
    config: Path, tmp_path: Path
) -> None:
    near = ("--config", str(config))
    folder = tmp_path / "kaigo"

    added = await run_offline(
        *("clients", "add", "kaigo", "--scopes", INQUIRIES_READ, "--scopes", INQUIRIES_WRITE),
        *("--asks", "--departments", "*", "--credentials", str(folder), *near),
    )
    listed = await run_offline(
        "inquiries", "list", "--credentials", str(folder / "credentials.json")
    )
    rotated = await run_offline(
        *("clients", "rotate", "kaigo", "--credentials", str(folder / "credentials.json")), *near
    )
    again = await run_offline(
        "inquiries", "list", "--credentials", str(folder / "credentials.json")
    )
    disabled = await run_offline("clients", "disable", "kaigo", *near)
    out = await run_offline("inquiries", "list", "--credentials", str(folder / "credentials.json"))
    clients = await run_offline("clients", "list", *near)

    assert (added.code, added.json["scopes"]) == (0, [INQUIRIES_READ, INQUIRIES_WRITE])
    assert (listed.code, rotated.code, again.code) == (0, 0, 0)
    assert (disabled.json["state"], out.code) == ("disabled", ExitCode.REFUSED)
    assert "kaigo" in [one["client_id"] for one in clients.json["clients"]]
    assert (folder / "credentials.json").stat().st_mode & 0o077 == 0


async def test_a_client_that_keeps_its_own_key_is_registered_by_the_public_half(
    config: Path, tmp_path: Path
) -> None:
    near = ("--config", str(config))
    one, other = (a_public_key(tmp_path / name) for name in ("one.pem", "other.pem"))
    own = ("--scopes", INQUIRIES_READ, "--certificate-uri", "urn:example:own")

    added = await run_offline("clients", "add", "own", *own, "--public-key", one, *near)
    rotated = await run_offline("clients", "rotate", "own", "--public-key", other, *near)
    twin = await run_offline("clients", "add", "twin", *own, "--public-key", other, *near)
    disabled = await run_offline("clients", "disable", "own", *near)
    again = await run_offline("clients", "disable", "own", *near)
    enabled = await run_offline("clients", "enable", "own", *near)

    assert (added.code, added.json["certificate_uri"]) == (ExitCode.DONE, "urn:example:own")
    assert (rotated.code, rotated.json["version"]) == (ExitCode.DONE, added.json["version"] + 1)
    assert twin.code == ExitCode.FAILED  # two clients never share a certificate
    assert (disabled.json["state"], enabled.json["state"]) == ("disabled", "enabled")
    assert again.json["version"] == disabled.json["version"]


@pytest.mark.parametrize(
    ("client_id", "changed"),
    [
        ("Own", {}),
        ("own", {"--system": "a system"}),
        ("own", {"--certificate-uri": "https://example.com"}),
        ("own", {"--departments": "a b"}),
        ("own", {"--public-key": "none.pem"}),
        ("own", {"--public-key": "text.pem"}),
        ("own", {"--algorithm": "EdDSA"}),
        ("own", {"--algorithm": "HS256"}),
        ("own", {"--credentials": "folder"}),
    ],
)
async def test_a_registration_that_cannot_be_is_a_matter_of_usage(
    config: Path, tmp_path: Path, client_id: str, changed: dict[str, str]
) -> None:
    (tmp_path / "text.pem").write_text("no key")
    given = {
        "--scopes": INQUIRIES_READ,
        "--certificate-uri": "urn:example:refused",
        "--public-key": a_public_key(tmp_path / "own.pem"),
        "--config": str(config),
    } | {
        name: str(tmp_path / value) if name in ("--public-key", "--credentials") else value
        for name, value in changed.items()
    }

    added = await run_offline("clients", "add", client_id, *chain.from_iterable(given.items()))

    assert added.code == ExitCode.USAGE


def a_public_key(path: Path) -> str:
    """Write the public half of a key on P-256 that nobody keeps; return where it is."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


async def test_a_client_that_there_is_not_cannot_be_shown(config: Path) -> None:
    shown = await run_offline("clients", "show", "nobody", "--config", str(config))

    assert shown.code == ExitCode.FAILED


async def test_an_unknown_scope_is_a_matter_of_usage(config: Path, tmp_path: Path) -> None:
    added = await run_offline(
        *("clients", "add", "odd", "--scopes", "inquiry:inquiries:everything"),
        *("--credentials", str(tmp_path / "odd"), "--config", str(config)),
    )

    assert added.code == ExitCode.USAGE
    assert list((tmp_path / "odd").iterdir()) == []
