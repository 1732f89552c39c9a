from collections.abc import Callable

import pytest
from cyclopts import App

from certs.errors import CertsError
from codes.errors import CodesError
from gateway.cli import main
from gateway.cli.output import ExitCode
from gateway.errors import (
    ConfigurationError,
    ConflictError,
    InvalidBodyError,
    NotPermittedError,
    RefusedError,
    UnavailableError,
    WithheldError,
)


def app_that(act: Callable[[], object]) -> App:
    app = App(name="sekisho", suppress_keyboard_interrupt=False)

    @app.command
    def do(*, number: int = 1) -> object:
        """Do it, so many times."""
        return [act() for _ in range(number)][-1]

    return app


def fails_with(error: Exception) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConflictError("x"), 1),
        (UnavailableError("x"), 1),
        (ConfigurationError("x"), 2),
        (InvalidBodyError("x"), 2),
        (RefusedError(reason="no-legal-ground"), 3),
        (NotPermittedError("x"), 3),
        (WithheldError(reason="held"), 4),
        (CodesError("malformed"), 1),
        (CertsError("expired"), 1),
        (OSError("gone"), 1),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_an_error_ends_with_its_exit_code_and_one_line(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.call(app_that(fails_with(error)), ["do"]) == code

    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("sekisho: ")
    assert shown.out == ""


def test_the_words_of_an_unforeseen_error_are_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main.call(app_that(fails_with(KeyError("123456789012345"))), ["do"])

    shown = capsys.readouterr().err
    assert "123456789012345" not in shown
    assert "KeyError" in shown


def test_what_a_command_returns_is_its_exit_code() -> None:
    assert main.call(app_that(lambda: ExitCode.WITHHELD), ["do"]) == 4
    assert main.call(app_that(lambda: None), ["do"]) == 0


@pytest.mark.parametrize("arguments", [["do", "--nmuber", "1"], ["do", "--number", "x"], ["dance"]])
def test_a_command_that_is_not_there_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.call(app_that(lambda: None), arguments) == 2
    assert capsys.readouterr().err.startswith("sekisho: ")


def test_an_interrupt_is_no_success() -> None:
    def act() -> object:
        raise KeyboardInterrupt

    assert main.call(app_that(act), ["do"]) == 1


@pytest.mark.parametrize("name", ["serve", "core", "resident-network", "status", "drain", "unlock"])
def test_commands_explain_themselves(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(main.build_app(), [name, "--help"]) == 0
    assert "--config" in capsys.readouterr().out


def test_every_command_that_is_offered_can_be_loaded() -> None:
    app = main.build_app()

    for name in app:
        if not name.startswith("-"):
            assert app[name].help


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(main.build_app(), ["--version"]) == 0
    assert capsys.readouterr().out.strip() == main.program_version()
