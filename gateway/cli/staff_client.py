"""The command line as a client of a gateway's staff listener: JSON over TLS, one person a run."""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.errors import (
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

TIMEOUT_S: Final = 60.0
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
_JSON: Final = "application/json"
_ERRORS: Final[Mapping[int, type[SekishoError]]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequestError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRequestError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: InvalidRequestError,
    HTTPStatus.UNAUTHORIZED: NotAuthenticatedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
    HTTPStatus.SERVICE_UNAVAILABLE: UnavailableError,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status and a JSON object, which may be a problem document."""

    status: int
    body: dict[str, object] = field(repr=False)


class StaffClient:
    """One person's calls; `token` is set by whoever signs in."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self.url = url.rstrip("/")
        self.tls = tls
        self.token: str | None = None

    def __repr__(self) -> str:
        return f"StaffClient({self.url}, masked)"

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Return the answer to one call, whatever it is; raises UnavailableError without one."""
        with self._exchange(method, path, body) as response:
            raw = response.read(ANSWER_BYTES_MAX)
            return Answer(response.status, _object(raw))

    def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, object]:
        """Return the answer to a GET, or raise the error its problem document tells of."""
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return _good(self.ask("GET", f"{path}?{urlencode(given)}" if given else path))

    def post(self, path: str, body: object = None) -> dict[str, object]:
        """Return the answer to a POST, or raise the error its problem document tells of."""
        return _good(self.ask("POST", path, body))

    def put(self, path: str, body: object) -> dict[str, object]:
        """Return the answer to a PUT, or raise the error its problem document tells of."""
        return _good(self.ask("PUT", path, body))

    def fetch(self, path: str, body: object, target: IO[bytes]) -> int:
        """Write the file a POST answers to `target`; returns its length in bytes."""
        length = 0
        with self._exchange("POST", path, body) as response:
            if response.status != HTTPStatus.OK:
                _good(Answer(response.status, _object(response.read(ANSWER_BYTES_MAX))))
            while chunk := response.read(CHUNK_BYTES):
                target.write(chunk)
                length += len(chunk)
        return length

    @contextmanager
    def signed_in(self, credential: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
        """Hold a session for the time of a command; gives what the person may do."""
        session = self.post("/v1/session", credential)
        self.token = str(session["token"])
        try:
            yield session
        finally:
            # A session that an error ended already is no news.
            self.ask("DELETE", "/v1/session")
            self.token = None

    @contextmanager
    def _exchange(self, method: str, path: str, body: object) -> Iterator[http.client.HTTPResponse]:
        place = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port, context=self.tls, timeout=TIMEOUT_S
        )
        headers = {"Accept": _JSON}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        raw = None
        if body is not None:
            raw = msgspec.json.encode(body)
            headers["Content-Type"] = _JSON
        try:
            connection.request(method, path, body=raw, headers=headers)
            yield connection.getresponse()
        except ssl.SSLError as error:
            raise UnavailableError(f"{self.url}: not trusted ({error.reason})") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{self.url}: {type(error).__name__}") from None
        finally:
            connection.close()


def error_of(answer: Answer) -> SekishoError:
    """Return the error that a problem document tells of, for the exit code and one line."""
    title = str(answer.body.get("title", f"status {answer.status}"))
    slug = str(answer.body.get("type", ""))
    reason = str(answer.body.get("reason", ""))
    words = f"{title} ({reason})" if reason else title
    if slug == WithheldError.problem:
        return WithheldError(words, reason=reason or slug)
    if answer.status == HTTPStatus.FORBIDDEN:
        if slug == NotPermittedError.problem:
            return NotPermittedError(words)
        return RefusedError(words, reason=reason or slug)
    return _ERRORS.get(answer.status, SekishoError)(words)


def _good(answer: Answer) -> dict[str, object]:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise error_of(answer)
    return answer.body


def _object(raw: bytes) -> dict[str, object]:
    if not raw:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.DecodeError:
        raise UnavailableError("the answer cannot be read") from None
