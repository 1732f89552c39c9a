"""Where credentials come from, and how a command reaches the staff listener."""

import os
import ssl
from pathlib import Path

import pytest

from gateway.cli.staff_client import Answer, StaffClient, error_of
from gateway.cli.staff_options import Answers, Reach, path_id, staff_url
from gateway.errors import (
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RefusedError,
    SekishoError,
    TooManyRequestsError,
    UnavailableError,
    WithheldError,
)
from gateway.settings import load_settings

EXAMPLE = Path(__file__).parents[4] / "config" / "gateway.example.toml"
GOOD = b'{"name":"alice","password":"correct horse battery","totp":"123456"}\n'


def answers(raw: bytes) -> Answers:
    given, giving = os.pipe()
    os.write(giving, raw)
    os.close(giving)
    return Reach(credentials_fd=given).answers()


def test_each_credential_is_a_line() -> None:
    with answers(GOOD + GOOD.replace(b"alice", b"bob")) as lines:
        names = [lines.credential()["name"], lines.credential()["name"]]

        assert names == ["alice", "bob"]
        assert not lines.is_person


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json\n",
        b'{"name":"alice"}\n',
        GOOD.replace(b"}", b',"role":"root"}'),
        b'{"name":1,"password":"x","totp":"1"}\n',
        b"[]\n",
    ],
)
def test_a_line_of_another_shape_is_refused_without_repeating_it(raw: bytes) -> None:
    with answers(raw) as lines, pytest.raises(InvalidRequestError) as refused:
        lines.credential()

    assert "horse" not in str(refused.value)


def test_what_only_a_script_gives_may_be_left_out() -> None:
    with answers(b'{"a":"1"}\n{"a":"1","b":"2"}\n') as lines:
        assert lines.ask("a", optional=("b",)) == {"a": "1"}
        assert lines.ask("a", optional=("b",)) == {"a": "1", "b": "2"}


def test_a_descriptor_that_is_not_open_is_a_mistake_in_usage() -> None:
    with pytest.raises(ConfigurationError):
        Reach(credentials_fd=10_000).answers()


def test_without_terminal_or_descriptor_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, giving = os.pipe()
    os.close(giving)
    with os.fdopen(given) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)

        with pytest.raises(ConfigurationError), Reach().answers() as lines:
            lines.credential()


def test_a_listener_with_a_port_is_where_the_settings_say() -> None:
    settings = load_settings(EXAMPLE)
    listener = settings.listeners.staff
    assert listener is not None

    assert staff_url(settings) == f"https://{listener.host}:{listener.port}"


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a b", "é", "a?b"])
def test_an_id_in_a_path_means_nothing_but_itself(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        path_id(text)


@pytest.mark.parametrize(
    ("status", "slug", "expected"),
    [
        (400, "invalid-query", InvalidRequestError),
        (401, "not-authenticated", NotAuthenticatedError),
        (403, "not-permitted", NotPermittedError),
        (403, "same-approver", RefusedError),
        (403, "withheld", WithheldError),
        (404, "not-found", NotFoundError),
        (409, "hold-changed", ConflictError),
        (422, "invalid-body", InvalidRequestError),
        (429, "too-many-requests", TooManyRequestsError),
        (500, "internal-error", SekishoError),
        (503, "queue-full", UnavailableError),
    ],
)
def test_a_problem_ends_a_command_as_what_it_is(
    status: int, slug: str, expected: type[SekishoError]
) -> None:
    answer = Answer(status, {"type": slug, "title": "why", "status": status, "reason": "because"})

    error = error_of(answer)

    assert type(error) is expected
    assert str(error) == "why (because)"


def test_a_gateway_that_does_not_answer_is_unavailable() -> None:
    client = StaffClient("https://127.0.0.1:1", ssl.create_default_context())

    with pytest.raises(UnavailableError):
        client.get("/v1/holds")
