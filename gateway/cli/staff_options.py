"""What every command for people takes: where the gateway is, and who proves to be whom.

Names, passwords and one-time passwords are asked on the terminal without echo, or read as JSON
Lines from a descriptor; they never stand in an argument or in the environment.
"""

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Final, Self

import msgspec
from cyclopts import Parameter

from certs.own_keys import certificate_files
from certs.tls import listener_client_context
from gateway.app.control import call_control
from gateway.cli.staff_client import StaffClient
from gateway.errors import ConfigurationError, InvalidRequestError, UnavailableError
from gateway.settings import Settings, config_path, load_settings

LISTENER: Final = "staff"
LINE_BYTES_MAX: Final = 8 * 1024
CREDENTIAL: Final = ("name", "password", "totp")
_QUESTIONS: Final = {
    "name": "name: ",
    "password": "password: ",
    "totp": "one-time password: ",
    "enrolment_code": "enrolment code: ",
    "new_password": "new password: ",
}
_TWICE: Final = frozenset({"new_password"})

Json = Annotated[bool, Parameter(name="--json", negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reach:
    """How a command reaches the staff listener.

    Attributes:
        config: The settings of the gateway; else the file SEKISHO_CONFIG names.
        url: Where the staff listener is; else as the settings say.
        ca: The CA of the staff listener (PEM); else as beside the gateway's keys.
        credentials_fd: A descriptor with one JSON object a line: name, password, totp.
        json: Print one JSON document.
    """

    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None
    url: str | None = None
    ca: Path | None = None
    credentials_fd: int | None = None
    json: Json = False

    def settings(self) -> Settings:
        """Return the settings of the gateway."""
        return load_settings(config_path(self.config))

    def client(self) -> StaffClient:
        """Return a client that nobody has signed in with."""
        url, ca = self.url, self.ca
        if url is None or ca is None:
            settings = self.settings()
            url = url or staff_url(settings)
            ca = ca or certificate_files(settings.network.keys_dir, f"{LISTENER}-ca").certificate
        return StaffClient(url, listener_client_context(ca=ca))

    def answers(self) -> "Answers":
        """Return what gives credentials, a person's or a script's."""
        if self.credentials_fd is None:
            return Answers(None)
        try:
            return Answers(os.fdopen(self.credentials_fd, "rb"))
        except OSError:
            raise ConfigurationError("--credentials-fd: no such descriptor") from None

    @contextmanager
    def signed_in(self) -> Iterator[StaffClient]:
        """Hold a session of whoever sits there, for the time of a command."""
        client = self.client()
        with self.answers() as answers, client.signed_in(answers.credential()):
            yield client


NEAR: Final = Reach()
"""As the settings say, with questions on the terminal."""


class Answers:
    """Credentials one after another: lines of a descriptor, or questions on the terminal."""

    def __init__(self, lines: IO[bytes] | None) -> None:
        self._lines = lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()

    @property
    def is_person(self) -> bool:
        """Whether somebody sits there who can be asked."""
        return self._lines is None

    def credential(self) -> dict[str, str]:
        """Return a whole credential: name, password, one-time password."""
        return self.ask(*CREDENTIAL)

    def ask(self, *names: str, optional: tuple[str, ...] = ()) -> dict[str, str]:
        """Return these answers; `optional` ones only a script gives."""
        if self._lines is None:
            return {name: _ask(name) for name in names}
        given = _line(self._lines)
        if not set(names) <= given.keys() or not given.keys() <= {*names, *optional}:
            raise InvalidRequestError(f"credentials: a line holds {', '.join(names)}")
        return dict(given)


def staff_url(settings: Settings) -> str:
    """Return where a gateway's staff listener is, asking the running parent for a free port."""
    listener = settings.listeners.staff
    if listener is None:
        raise ConfigurationError(f"role {settings.role} has no staff listener")
    if listener.port:
        return f"https://{listener.host}:{listener.port}"
    reply = call_control(settings.control_socket, "status")
    addresses = (reply.result or {}).get("addresses")
    if not isinstance(addresses, dict) or LISTENER not in addresses:
        raise UnavailableError("the running gateway names no staff listener")
    return f"https://{addresses[LISTENER]}"


def path_id(text: str) -> str:
    """Return an id that may stand in a path: letters and digits, nothing that means anything."""
    if not (text.isascii() and text.isalnum()):
        raise InvalidRequestError("an id is letters and digits")
    return text


def _line(lines: IO[bytes]) -> Mapping[str, str]:
    raw = lines.readline(LINE_BYTES_MAX)
    if not raw:
        raise InvalidRequestError("credentials: the descriptor has no more lines")
    try:
        return msgspec.json.decode(raw, type=dict[str, str])
    except msgspec.DecodeError:
        # `from None`: the original exception may carry a password.
        raise InvalidRequestError("credentials: one JSON object of texts a line") from None


def _ask(name: str) -> str:
    question = _QUESTIONS.get(name, f"{name}: ")
    if not sys.stdin.isatty():
        raise ConfigurationError("no terminal to ask on: give --credentials-fd")
    if name == "name":
        return input(question).strip()
    answer = getpass.getpass(question)
    if name in _TWICE and getpass.getpass("again: ") != answer:
        raise InvalidRequestError("the two are not the same")
    return answer
