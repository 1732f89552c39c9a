"""A run that waits for a passphrase or PIN: what it answers, what it refuses, how it is opened."""

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from certs.keystore import KeyStore, MasterKey
from certs.master_passphrase import Argon2Cost, wrap_by_passphrase
from certs.master_token import wrap_by_token
from certs.typed_secret import TypedSecret
from gateway.app.control import call_control
from gateway.errors import UnavailableError
from tests.integration.app.instance import CONFIG, PARENT, READY_S, until
from tests.tools.softhsm import PIN, SoftToken

SEKISHO = str(Path(sys.executable).with_name("sekisho"))
WORDS = "a passphrase of the tests"
WRONG = "another passphrase of theirs"
MASTER = MasterKey.from_bytes(bytes(range(32)))
CHEAP = Argon2Cost(memory_kib=64 * 1024, passes=3, lanes=1)


@dataclass
class Locked:
    """A parent that was started and has no key yet."""

    process: subprocess.Popen[bytes]
    folder: Path
    ready_out: int

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def control(self) -> Path:
        return self.folder / "data" / "control.sock"

    @property
    def said(self) -> str:
        """All log lines so far."""
        return (self.folder / "log").read_text()

    def status(self) -> dict[str, Any]:
        reply = call_control(self.control, "status")
        assert reply.result is not None
        return reply.result

    def ops(self, path: str) -> str:
        return f"http://{self.status()['addresses']['ops']}{path}"

    def unlock(self, typed: str) -> dict[str, Any]:
        reply = call_control(self.control, "unlock", {"secret": typed})
        return reply.problem or reply.result or {}

    def unlock_by_command(self, typed: str) -> subprocess.CompletedProcess[str]:
        """Run `sekisho unlock` as a script does."""
        out, into = os.pipe()
        os.write(into, typed.encode() + b"\n")
        os.close(into)
        command = [SEKISHO, "unlock", "-c", str(self.config), "--json", "--passphrase-fd", str(out)]
        try:
            return subprocess.run(
                command, pass_fds=(out,), capture_output=True, text=True, check=False
            )
        finally:
            os.close(out)

    def line(self) -> dict[str, Any]:
        """Wait for what `--ready-fd` tells."""
        with os.fdopen(self.ready_out, "rb") as pipe:
            told: dict[str, Any] = json.loads(pipe.readline())
        return told


def lay_out(folder: Path) -> None:
    wrapped = wrap_by_passphrase(MASTER, TypedSecret(WORDS), cost=CHEAP)
    write(folder, wrapped.to_bytes(), 'source = "passphrase"')


def lay_out_token(folder: Path, token: SoftToken) -> None:
    place = token.place()
    wrapped = wrap_by_token(MASTER, place, TypedSecret(PIN), make_key=True)
    more = f'module = "{place.module}"\ntoken = "{place.token}"\nkey = "{place.key}"\n'
    write(folder, wrapped.to_bytes(), 'source = "pkcs11"', f"[master_key.pkcs11]\n{more}")


def write(folder: Path, wrapped: bytes, source: str, more: str = "") -> None:
    path = folder / "master.key"
    path.write_bytes(wrapped)
    path.chmod(0o600)
    text = CONFIG.replace("[master_key]", f"[master_key]\n{source}").replace(
        "[workers]\ncount = 2", f"{more}[workers]\ncount = 1"
    )
    (folder / "gateway.toml").write_text(text)


@contextmanager
def started(folder: Path) -> Iterator[Locked]:
    """Give a locked instance; end it by SIGTERM, and hold it to a clean end."""
    ready_out, ready_in = os.pipe()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, PARENT, folder / "gateway.toml"),
                *(folder / "data" / "metrics" / "run", str(ready_in)),
            ],
            pass_fds=(ready_in,),
            stderr=log,
        )
    os.close(ready_in)
    locked = Locked(process=process, folder=folder, ready_out=ready_out)
    try:
        yield locked
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(READY_S) == 0
        finally:
            process.kill()


async def answers(locked: Locked) -> None:
    async def does() -> bool:
        try:
            return bool(locked.status())
        except UnavailableError:
            assert locked.process.poll() is None, locked.said
            return False

    await until(does, seconds=READY_S)


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("locked")
    lay_out(folder)
    with started(folder) as instance:
        await answers(instance)
        yield instance
        # It ends without ever having had a worker, and the waiting caller is told nothing.
        assert '"worker_started"' not in instance.said


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_a_locked_instance_lives_and_is_not_ready(locked: Locked) -> None:
    assert (await get(locked.ops("/livez")))[0] == 200
    status, body = await get(locked.ops("/readyz"))
    assert (status, json.loads(body)) == (503, {"ready": False, "missing": ["locked"]})

    told = locked.status()
    assert (told["state"], told["ready"], told["missing"]) == ("locked", False, ["locked"])
    assert told["workers"] == []


async def test_its_metrics_say_so(locked: Locked) -> None:
    _, text = await get(locked.ops("/metrics"))

    lines = text.splitlines()
    assert "sekisho_locked 1.0" in lines
    assert "sekisho_workers_ready 0.0" in lines
    assert "sekisho_workers_wanted 1.0" in lines


def test_its_ports_are_taken_and_nobody_answers_there(locked: Locked) -> None:
    host, port = locked.status()["addresses"]["network"].split(":")

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_what_needs_a_worker_is_refused_as_locked(locked: Locked) -> None:
    reply = call_control(locked.control, "staff-add", {"name": "a"})

    assert reply.problem is not None
    assert reply.problem["type"] == "locked"


@pytest.mark.parametrize("arguments", [{}, {"secret": 1}, {"secret": ""}, {"secret": "x" * 1_025}])
def test_an_unlock_without_a_secret_is_no_try(locked: Locked, arguments: dict[str, object]) -> None:
    reply = call_control(locked.control, "unlock", arguments)

    assert reply.problem is not None
    assert reply.problem["type"] == "invalid-request"


async def test_wrong_ones_are_refused_slower_and_slower(locked: Locked) -> None:
    async def wrong() -> bool:
        return bool((await asyncio.to_thread(locked.unlock, WRONG))["type"] == "wrong-passphrase")

    await until(wrong)
    # In the pause even the right one is not tried: time tells nothing, and guesses cost.
    assert locked.unlock(WORDS)["type"] == "too-many-requests"
    ended = locked.unlock_by_command(WORDS)
    await until(wrong)

    assert ended.returncode == 1
    assert "before the next try" in ended.stderr
    told = [json.loads(line) for line in locked.said.splitlines() if "unlock_refused" in line]
    assert [line["delay_s"] for line in told] == [2.0**n for n in range(len(told))]
    assert {line["reason"] for line in told} == {"wrong-passphrase"}
    _, text = await get(locked.ops("/metrics"))
    assert f'sekisho_unlock_attempts_total{{outcome="wrong"}} {float(len(told))}' in text
    assert WORDS not in locked.said
    assert WRONG not in locked.said


def stands_nowhere(locked: Locked, secret: str) -> None:
    pids = [locked.process.pid, *(worker["pid"] for worker in locked.status()["workers"])]
    assert len(pids) == 2
    for pid in pids:
        for place in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{pid}/{place}").read_bytes()
    assert secret not in locked.said


async def holds_open(locked: Locked, secret: str) -> None:
    """Check an instance that was unlocked: it works, and the secret stands nowhere."""
    told = await asyncio.to_thread(locked.line)
    assert (await get(f"http://{told['addresses']['network']}/pid"))[0] == 200
    assert (await get(locked.ops("/readyz")))[0] == 200
    assert "sekisho_locked 0.0" in (await get(locked.ops("/metrics")))[1].splitlines()
    assert KeyStore.open(locked.folder / "data" / "keys", MASTER).organisation == "j-lis"

    again = locked.unlock_by_command(secret)
    assert (again.returncode, json.loads(again.stdout)) == (0, {"state": "not-locked"})
    stands_nowhere(locked, secret)


def unlock_on_a_terminal(
    locked: Locked, typed: str
) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    """Run `sekisho unlock` as a person does; return how it ended and what the terminal showed."""
    ours, theirs = pty.openpty()
    arguments = [SEKISHO, "unlock", "--config", str(locked.config)]
    with subprocess.Popen(
        arguments,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as command:
        try:
            assert command.stderr is not None
            assert command.stderr.read(len("passphrase: ")) == b"passphrase: "
            os.write(ours, typed.encode() + b"\n")
            said, wrong = command.communicate(timeout=READY_S)
        finally:
            command.kill()
    ended = subprocess.CompletedProcess(arguments, command.returncode, said, wrong)
    os.set_blocking(ours, False)
    try:
        echoed = os.read(ours, 100)
    except BlockingIOError:
        echoed = b""
    for end in (ours, theirs):
        os.close(end)
    return ended, echoed


async def test_the_right_passphrase_typed_on_a_terminal_starts_the_workers(tmp_path: Path) -> None:
    lay_out(tmp_path)
    with started(tmp_path) as locked:
        await answers(locked)
        ended, echoed = unlock_on_a_terminal(locked, WORDS)

        assert ended.returncode == 0
        assert ended.stdout.split() == [b"state", b"unlocked"]
        assert WORDS.encode() not in echoed
        await holds_open(locked, WORDS)


async def test_a_tokens_pin_opens_an_instance_as_a_passphrase_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = SoftToken(tmp_path / "token").make()
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    lay_out_token(tmp_path, token)
    with started(tmp_path) as locked:
        await answers(locked)
        # A token that is not there is no wrong PIN, and costs no pause.
        (token.folder / "tokens").rename(token.folder / "drawn")
        (token.folder / "tokens").mkdir()
        missed = locked.unlock_by_command(PIN)
        (token.folder / "tokens").rmdir()
        (token.folder / "drawn").rename(token.folder / "tokens")
        ended = locked.unlock_by_command(PIN)

        assert (missed.returncode, ended.returncode) == (1, 0)
        assert "token-missing" in missed.stderr
        assert json.loads(ended.stdout) == {"state": "unlocked"}
        await holds_open(locked, PIN)
