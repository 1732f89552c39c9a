"""Commands that find the gateway by its settings, and people who sit at a terminal."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from certs.passwords import Totp
from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.cli.main import build_app, call
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.errors import NotFoundError, SekishoError
from gateway.http.problems import problem_members
from tests.e2e.parties import Network, Party
from tests.e2e.people import People
from tests.e2e.staff import PASSWORD, Person, Ran, run_offline, staff_client
from tests.e2e.test_release import a_withheld_inquiry

HERE = cast.NAGAOKA


def config_of(network: Network, name: str, folder: Path) -> Path:
    """Settings of a party as its operator has them in a file, the listeners on free ports."""
    settings = network.parties[name].settings
    role = settings.role
    text = f"""
role = "{role}"
environment = "test"
organisation = "{name}"
data_dir = "{folder}"

[network]
name = "{cast.NETWORK}"
keys_dir = "{settings.network.keys_dir}"
{f'core_url = "{settings.network.core_url}"' if role == "gateway" else ""}

[master_key]
path = "{settings.master_key.path}"
"""
    names = ("ops", "network", "backoffice", "staff") if role == "gateway" else ("ops", "network")
    text += "".join(f"\n[listeners.{one}]\nport = 0\n" for one in names)
    path = folder / "sekisho.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def parent_of(network: Network, name: str, folder: Path) -> AsyncIterator[Path]:
    """The control socket of a party as its parent serves it; gives the settings."""
    party: Party = network.parties[name]

    async def handle(command: str, arguments: Mapping[str, object]) -> ControlReply:
        if command == "status":
            place = staff_client(network, name).url.removeprefix("https://")
            return ControlReply(result={"addresses": {"staff": place}})
        if command not in party.role.commands:
            raise NotFoundError(command)
        try:
            return ControlReply(result=dict(await party.role.commands[command](arguments)))
        except SekishoError as error:
            return ControlReply(problem=problem_members(error))

    server = ControlServer(folder / "control.sock", handle)
    await server.start()
    try:
        yield config_of(network, name, folder)
    finally:
        await server.stop()


@pytest.fixture(scope="module")
async def config(network: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    async with parent_of(network, HERE, tmp_path_factory.mktemp("nagaoka")) as path:
        yield path


class Terminal:
    """Somebody who types what is asked, in order, and is asked nothing else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        monkeypatch.setattr("builtins.input", self._answer)
        monkeypatch.setattr("getpass.getpass", self._answer)
        monkeypatch.setattr("sys.stdin", self)

    def isatty(self) -> bool:
        return True

    def _answer(self, question: str = "") -> str:
        self.asked.append(question)
        return self._answers.pop(0)


async def run_here(*arguments: str) -> Ran:
    """Run one command as a person reads it."""
    out = io.StringIO()

    def run() -> int:
        with contextlib.redirect_stdout(out):
            return call(build_app(), list(arguments))

    return Ran(await asyncio.to_thread(run), out.getvalue())


@pytest.fixture(scope="module")
async def root(network: Network, config: Path) -> Person:
    """The first account, made by whoever sits at the machine."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        Terminal(monkeypatch, PASSWORD, PASSWORD)
        made = await run_offline("staff", "add", "root", "--first", "--config", str(config))
        assert made.code == ExitCode.DONE
    return Person(
        name="root",
        staff_id=made.json["staff_id"],
        factor=Totp.from_base32(made.json["totp_secret"]),
        client=staff_client(network, HERE),
    )


async def test_the_first_account_is_made_once(
    config: Path,
    root: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Terminal(monkeypatch, PASSWORD, PASSWORD)

    ran = await run_offline("staff", "add", "another", "--first", "--config", str(config))

    assert ran.code == ExitCode.REFUSED
    assert root.staff_id


async def test_the_first_account_has_no_other_role(config: Path) -> None:
    ran = await run_offline(
        "staff", "add", "another", "--first", "--role", "clerk", "--config", str(config)
    )

    assert ran.code == ExitCode.USAGE


async def test_passwords_typed_differently_make_no_account(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(monkeypatch, PASSWORD, PASSWORD + "!")

    ran = await run_offline("staff", "add", "another", "--first", "--config", str(config))

    assert ran.code == ExitCode.USAGE
    assert terminal.asked == ["new password: ", "again: "]


async def test_a_person_approves_after_looking(
    network: Network,
    people: People,
    config: Path,
    root: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Signs in, looks, says yes, and proves who they are once more."""
    _, row = await a_withheld_inquiry(network, people)
    person = await enrolled(network, config, root, "anna", monkeypatch)
    terminal = Terminal(
        monkeypatch,
        *(person.name, PASSWORD, person.code()),
        "y",
        *(person.name, PASSWORD, person.code()),
    )

    ran = await run_here("holds", "approve", row.hold_id, "--config", str(config))

    assert ran.code == ExitCode.DONE
    assert row.digest.hex() in ran.out
    assert terminal.asked[3].startswith("Let exactly this go?")


async def test_a_person_who_says_no_approves_nothing(
    network: Network,
    people: People,
    config: Path,
    root: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    person = await enrolled(network, config, root, "nora", monkeypatch)
    Terminal(monkeypatch, person.name, PASSWORD, person.code(), "")

    ran = await run_here("holds", "approve", row.hold_id, "--config", str(config))

    release = network.gateway(HERE).flows.release
    assert ran.code == ExitCode.USAGE
    assert (await release.show(row.hold_id)).row.approvals == 0


async def test_a_core_exports_over_its_control_socket(network: Network, tmp_path: Path) -> None:
    bundle = tmp_path / "core.zip"
    async with parent_of(network, cast.CORE, tmp_path) as config:
        made = await run_here("records", "export", str(bundle), "--config", str(config))
        again = await run_here("records", "export", str(bundle), "--config", str(config))
        verified = await run_here(
            "records", "verify", str(bundle), "--config", str(config), "--allow-unproved"
        )

    assert (made.code, again.code) == (ExitCode.DONE, ExitCode.FAILED)
    assert verified.code == ExitCode.DONE
    assert "no fault found" in verified.out


async def test_a_core_without_a_staff_listener_has_no_people(
    network: Network, tmp_path: Path
) -> None:
    role = network.parties[cast.CORE].role
    ran = await run_offline(
        "holds", "list", "--config", str(config_of(network, cast.CORE, tmp_path))
    )

    assert [one.name for one in role.listeners] == ["network"]
    assert "staff-add" not in role.commands
    assert ran.code == ExitCode.USAGE


async def enrolled(
    network: Network, config: Path, root: Person, name: str, monkeypatch: pytest.MonkeyPatch
) -> Person:
    """A new approver, made and enrolled at the terminal."""
    root.last_step = await steps_forgotten(network)
    Terminal(monkeypatch, root.name, PASSWORD, root.code())
    made = await run_offline("staff", "add", name, "--role", "approver", "--config", str(config))
    assert made.code == ExitCode.DONE
    Terminal(monkeypatch, name, made.json["enrolment_code"], PASSWORD, PASSWORD)
    given = await run_offline("staff", "enrol", "--config", str(config))
    assert given.code == ExitCode.DONE
    return Person(
        name=name,
        staff_id=made.json["staff_id"],
        factor=Totp.from_base32(given.json["totp_secret"]),
        client=staff_client(network, HERE),
    )


async def steps_forgotten(network: Network) -> int:
    """Make every step new again, so that a test does not wait for the next half minute."""
    async with network.gateway(HERE).context.database.read() as connection:
        await connection.execute("UPDATE staff_credentials SET last_step = 0")
    return 0
