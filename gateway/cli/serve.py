"""`sekisho serve | core | resident-network | witness | status | drain | unlock`: one run."""

import asyncio
import os
import secrets
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from gateway.app.control import call_control
from gateway.app.hardening import harden_process, refuse_optimised
from gateway.app.own_folder import master_place
from gateway.cli.main import program_version
from gateway.cli.output import ExitCode, errors, print_one
from gateway.cli.typed import typed_secret
from gateway.errors import ConfigurationError
from gateway.settings import (
    Role,
    Settings,
    config_path,
    load_settings,
    parse_settings,
    read_settings_file,
)

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
ReadyFd = Annotated[int | None, Parameter(name="--ready-fd")]
PassphraseFd = Annotated[int | None, Parameter(name="--passphrase-fd")]
Json = Annotated[bool, Parameter(name="--json", negative="")]
_METRICS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_PRIVATE_MODE: Final = 0o700


def serve(*, config: Config = None, ready_fd: ReadyFd = None) -> int:
    """Run one instance in the role its settings name, until SIGTERM.

    Args:
        config: The settings (TOML); else the file SEKISHO_CONFIG names.
        ready_fd: A descriptor that gets one line of JSON when all workers are ready.
    """
    return _serve(config, ready_fd, role=None)


def core(*, config: Config = None, ready_fd: ReadyFd = None) -> int:
    """Run the network's core; as `serve`, for settings with role core.

    Args:
        config: The settings (TOML); else the file SEKISHO_CONFIG names.
        ready_fd: A descriptor that gets one line of JSON when all workers are ready.
    """
    return _serve(config, ready_fd, role="core")


def resident_network(*, config: Config = None, ready_fd: ReadyFd = None) -> int:
    """Run the stand-in for the resident network; as `serve`, for settings of that role.

    Args:
        config: The settings (TOML); else the file SEKISHO_CONFIG names.
        ready_fd: A descriptor that gets one line of JSON when all workers are ready.
    """
    return _serve(config, ready_fd, role="resident-network")


def witness(*, config: Config = None, ready_fd: ReadyFd = None) -> int:
    """Run a witness alone: it cosigns the records of those who name it, and keeps none.

    As `serve`, for settings of that role.

    Args:
        config: The settings (TOML); else the file SEKISHO_CONFIG names.
        ready_fd: A descriptor that gets one line of JSON when all workers are ready.
    """
    return _serve(config, ready_fd, role="witness")


def status(*, config: Config = None, json: Json = False) -> int:
    """Tell how a running instance is.

    Args:
        config: The settings of the instance.
        json: Print one JSON document.
    """
    return _ask("status", config, json=json)


def drain(*, config: Config = None, json: Json = False) -> int:
    """Let a running instance finish what it has and end.

    Args:
        config: The settings of the instance.
        json: Print one JSON document.
    """
    return _ask("drain", config, json=json)


def unlock(*, config: Config = None, passphrase_fd: PassphraseFd = None, json: Json = False) -> int:
    """Unlock a running instance whose master key needs a passphrase or a token's PIN.

    It is asked for on the terminal and goes over the control socket. After a wrong one the
    instance takes no other for a while: a second, then two, up to five minutes.

    Args:
        config: The settings of the instance.
        passphrase_fd: A descriptor to read the passphrase or PIN from, one line.
        json: Print one JSON document.
    """
    harden_process()
    settings = load_settings(config_path(config))
    status = call_control(settings.control_socket, "status").result or {}
    if status.get("state") != "locked":
        return _tell({"state": "not-locked"}, json=json)
    secret = typed_secret(master_place(settings.master_key).typed, passphrase_fd)
    if secret is None:
        # The settings were changed since the instance began: it would not take what they ask.
        raise ConfigurationError("the settings are not those that the instance runs with")
    try:
        reply = call_control(settings.control_socket, "unlock", {"secret": secret.pin()})
    finally:
        secret.wipe()
    if reply.problem is not None:
        title, detail = reply.problem.get("title"), reply.problem.get("detail")
        errors.print(f"sekisho: {title} ({detail})", markup=False)
        return ExitCode.FAILED
    return _tell(reply.result, json=json)


def _serve(config: Path | None, ready_fd: int | None, *, role: Role | None) -> int:
    refuse_optimised()
    path = config_path(config)
    raw, base = read_settings_file(path), path.absolute().parent
    settings = parse_settings(raw, base=base, name=str(path))
    if role is not None and settings.role != role:
        raise ConfigurationError(f"{path}: role is {settings.role}, not {role}")
    _start_anew_if_counting(path, ready_fd)
    harden_process()
    metrics_dir = _share_metrics(settings)
    # Loaded only now: what counts must find the shared directory when it is imported.
    parent = import_module("gateway.app.parent")
    logs = import_module("gateway.logs")
    logs.configure(level=settings.log.level, role=settings.role)
    options = parent.ParentOptions(
        raw=raw,
        base=base,
        name=str(path),
        version=program_version(),
        metrics_dir=metrics_dir,
        ready_fd=ready_fd,
    )
    asyncio.run(parent.Parent(options).run())
    return ExitCode.DONE


def _start_anew_if_counting(path: Path, ready_fd: int | None) -> None:
    """Become a fresh process where metrics were loaded already: these would not be shared."""
    if "prometheus_client" not in sys.modules:
        return
    ready = [] if ready_fd is None else ["--ready-fd", str(ready_fd)]
    command = [sys.executable, "-I", "-m", "gateway", "serve", "--config", str(path), *ready]
    os.execv(sys.executable, command)  # noqa: S606  # our own program, no shell wanted


def _share_metrics(settings: Settings) -> Path:
    """Make a folder for this run's metric values, and name it to this process and its children."""
    # One by one: only the folder itself gets the mode, not those made above it.
    settings.data_dir.mkdir(mode=_PRIVATE_MODE, parents=True, exist_ok=True)
    settings.metrics_dir.mkdir(mode=_PRIVATE_MODE, exist_ok=True)
    folder = settings.metrics_dir / f"run-{secrets.token_hex(8)}"
    folder.mkdir(mode=_PRIVATE_MODE)
    os.environ[_METRICS_VARIABLE] = str(folder)
    return folder


def _ask(command: str, config: Path | None, *, json: bool) -> int:
    settings = load_settings(config_path(config))
    reply = call_control(settings.control_socket, command)
    if reply.problem is not None:
        errors.print(f"sekisho: {reply.problem.get('title')}", markup=False)
        return ExitCode.FAILED
    return _tell(reply.result, json=json)


def _tell(result: dict[str, object] | None, *, json: bool) -> int:
    print_one(result or {}, as_json=json)
    return ExitCode.DONE
