import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.errors import ConflictError
from gateway.logs import configure, get_logger


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    library, settings = logging.getLogger(), structlog.get_config()
    before, level = library.handlers[:], library.level
    stream = io.StringIO()
    configure(stream=stream, role="gateway")
    yield stream
    structlog.configure(**settings)
    structlog.contextvars.clear_contextvars()
    library.handlers[:] = before
    library.setLevel(level)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def last(lines: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.getvalue().splitlines()[-1])
    return line


def test_a_line_is_json_with_what_stands_on_every_line(lines: io.StringIO) -> None:
    get_logger().info("hold_approved", hold_id="a1", count=2)

    line = last(lines)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "hold_approved",
        "hold_id": "a1",
        "count": 2,
        "level": "info",
        "role": "gateway",
    }


def test_a_field_nobody_reviewed_is_left_out(lines: io.StringIO) -> None:
    get_logger().info("code_linked", unified_number="123456789012345", organisation="a")

    assert "123456789012345" not in lines.getvalue()
    assert last(lines)["organisation"] == "a"


def test_a_value_that_is_no_scalar_is_left_out(lines: io.StringIO) -> None:
    get_logger().info("x", reason={"name": "長岡 花子"}, kind=["長岡 花子"])

    assert "花子" not in lines.getvalue()
    assert "reason" not in last(lines)


def test_a_long_text_is_cut(lines: io.StringIO) -> None:
    get_logger().info("x", reason="a" * 1000)

    assert len(last(lines)["reason"]) == 200


def test_an_exception_tells_its_class_and_places_and_not_its_words(lines: io.StringIO) -> None:
    cause = ValueError("Key (subject)=(123456789012345) already exists")
    error = raised(RuntimeError("123456789012345"), cause)
    get_logger().error("job_failed", exc_info=error)

    line = last(lines)
    assert line["error"] == "RuntimeError"
    assert "from ValueError" in line["where"]
    assert "123456789012345" not in lines.getvalue()


def test_our_own_errors_keep_their_words(lines: io.StringIO) -> None:
    get_logger().error("job_failed", exc_info=raised(ConflictError("hold a1 is closed")))

    assert last(lines)["message"] == "hold a1 is closed"


def test_libraries_say_that_they_said_something(lines: io.StringIO) -> None:
    logging.getLogger("asyncpg").warning("row %s", "長岡 花子")

    assert "花子" not in lines.getvalue()
    assert last(lines)["logger"] == "asyncpg"
    assert last(lines)["event"] == "library_logged"


def test_the_request_id_stands_on_every_line_of_its_request(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="ab" * 16):
        get_logger().info("x")

    assert last(lines)["request_id"] == "ab" * 16
