"""What every command of a back-office system takes: its credentials; and how its errors end.

People's numbers come from files or standard input, never as arguments: other users of the machine
see those.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Final, TypeVar

import msgspec
from cyclopts import Parameter

from gateway.app.credentials import load_credentials
from gateway.cli.output import ExitCode, errors, print_json
from gateway.client import (
    BackofficeClient,
    ClientError,
    CredentialsError,
    OutsideRegistrationError,
    ProblemError,
    RefusedByRuleError,
    RequestInvalidError,
    SignInError,
)
from gateway.errors import ConfigurationError, InvalidRequestError

T = TypeVar("T")

STDIN: Final = "-"
FILE_BYTES_MAX: Final = 1024 * 1024
WITHHELD: Final = "withheld"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reach:
    """How a command reaches the back-office listener.

    Attributes:
        credentials: The credentials.json that `sekisho clients add` wrote.
        json: Print one JSON document.
    """

    credentials: Path
    json: Annotated[bool, Parameter(name="--json", negative="")] = False

    def call(
        self, do: Callable[[BackofficeClient], Awaitable[T]], then: Callable[[T], ExitCode]
    ) -> int:
        """Sign in, call, and end as `then` says, or as the gateway's refusal does."""
        try:
            credentials = load_credentials(self.credentials)
        except CredentialsError as error:
            raise ConfigurationError(str(error)) from None

        async def run() -> T:
            async with BackofficeClient(credentials) as client:
                return await do(client)

        try:
            return then(asyncio.run(run()))
        except ClientError as error:
            return self._tell(error)

    def _tell(self, error: ClientError) -> ExitCode:
        if self.json and isinstance(error, ProblemError):
            print_json(error.problem)
        errors.print(f"sekisho: {' '.join(str(error).split())}", markup=False)
        return exit_code_of(error)


def exit_code_of(error: ClientError) -> ExitCode:
    """Return how a command ends that a gateway refused."""
    match error:
        case RefusedByRuleError(type=kind):
            return ExitCode.WITHHELD if kind == WITHHELD else ExitCode.REFUSED
        case OutsideRegistrationError() | SignInError():
            return ExitCode.REFUSED
        case RequestInvalidError():
            return ExitCode.USAGE
        case _:
            return ExitCode.FAILED


@contextmanager
def opened(file: str) -> Iterator[IO[bytes]]:
    """Open a file, or standard input for `-`."""
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    with source:
        yield source


def read_message(file: str, type_: type[T]) -> T:
    """Return the JSON message in a file, or raise `InvalidRequestError` without repeating it."""
    with opened(file) as source:
        raw = source.read(FILE_BYTES_MAX)
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequestError(f"{file}: not what this command takes") from None


def read_numbers(file: str) -> list[str]:
    """Return the unified numbers in a file, one a line."""
    with opened(file) as source:
        raw = source.read(FILE_BYTES_MAX)
    try:
        numbers = raw.decode("ascii").split()
    except UnicodeDecodeError:
        raise InvalidRequestError(f"{file}: unified numbers, one a line") from None
    if not numbers:
        raise InvalidRequestError(f"{file}: no number")
    return numbers
