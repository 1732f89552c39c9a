"""Log lines for operators: JSON, a constant event, fields from an allow-list, nobody's data.

A field that is not on the list is left out and counted, because a name nobody reviewed may
hold anything. Of an exception only the class and the places in the code are told: messages
of libraries repeat what they were given (PostgreSQL's DETAIL holds whole rows).
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from gateway.errors import SekishoError
from gateway.metrics import LOG_FIELDS_DROPPED, LOG_LINES

ALLOWED_FIELDS: Final = frozenset(
    {
        # every line
        *("event", "level", "time", "role", "worker", "pid", "request_id"),
        # listeners
        *("listener", "method", "route", "status", "seconds", "bytes", "problem", "reason"),
        *("host", "port", "limit", "connections"),
        # errors
        *("error", "message", "where", "logger"),
        # processes
        *("exit_code", "signal", "restarts", "delay_s", "workers", "version", "environment"),
        # exchange: names of organisations and kinds, random ids, counts; never a subject
        *("organisation", "peer", "body", "kind", "outcome", "count", "items", "attempt"),
        "information",  # a term of the law's table, never beside whom it is about
        *("inquiry_id", "permit_id", "message_id", "hold_id", "batch_id", "acquisition_count"),
        *("slot", "size", "index", "epoch", "entry_id", "month", "checkpoint", "known_size"),
        # trust
        *("directory_version", "allow_list_version", "law_day", "key_id", "expires", "what"),
        # storage and jobs
        *("migration", "partition", "rows", "job", "due", "table"),
    }
)
_CHARACTERS_MAX: Final = 200
_FRAMES_MAX: Final = 12
_PLACES_MAX: Final = 60
_EventDict = MutableMapping[str, Any]  # Any: structlog's own type


def get_logger() -> FilteringBoundLogger:
    """Return the logger a module keeps as `log`; bound at its first line."""
    return cast("FilteringBoundLogger", structlog.get_logger())  # a lazy proxy of that


def configure(*, level: str = "info", stream: TextIO | None = None, **common: object) -> None:
    """Send all log lines of this process, those of libraries too, to `stream` (stderr).

    `common` fields stand on every line.
    """
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**common)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            describe_exception,
            keep_allowed,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    library = logging.getLogger()
    library.handlers[:] = [LibraryHandler()]
    library.setLevel(logging.WARNING)


def keep_allowed(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """Leave out every field that is not on the allow-list, and every value that is no scalar."""
    kept: dict[str, Any] = {}  # Any: structlog's own type
    for name, value in event.items():
        if name in ALLOWED_FIELDS and isinstance(value, str | int | float | bool | None):
            kept[name] = value[:_CHARACTERS_MAX] if isinstance(value, str) else value
        elif name == "where":
            kept[name] = value
        else:
            LOG_FIELDS_DROPPED.inc()
    LOG_LINES.labels(level=str(kept.get("level", ""))).inc()
    return kept


def describe_exception(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """Replace an exception by its class and places; our own errors keep their message."""
    raised = event.pop("exc_info", None)
    error = sys.exc_info()[1] if raised is True else raised
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        event["where"] = places(error)
        if isinstance(error, SekishoError):
            event["message"] = str(error)
    return event


def places(error: BaseException) -> list[str]:
    """Return where an exception came through, the innermost first; nothing of what it says."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    found = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for cause in (error.__cause__, *inner):
        if cause is not None:
            found += [f"from {type(cause).__qualname__}", *places(cause)]
    return found[:_PLACES_MAX]


class LibraryHandler(logging.Handler):
    """Tells that a library logged something, and which error it had; its words may hold data."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        log = get_logger()
        log.log(
            max(record.levelno, logging.WARNING),
            "library_logged",
            logger=record.name,
            exc_info=record.exc_info,
        )


def _short(filename: str) -> str:
    return "/".join(filename.rsplit("/", 3)[1:])


def _render(_logger: object, _method: str, event: _EventDict) -> str:
    return msgspec.json.encode(event).decode()
