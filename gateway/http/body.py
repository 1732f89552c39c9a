"""Request bodies: read within limits of size and time, strictly, or refused without echo."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import ClientPayloadError, hdrs, web

from gateway.errors import (
    BodyTooLargeError,
    InvalidBodyError,
    InvalidQueryError,
    InvalidRequestError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from gateway.wire.codec import decode_json, shape
from gateway.wire.fields import BODY_BYTES_MAX

T = TypeVar("T")

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
ANY_TYPE: Final = "*/*"
"""For a route whose standard says nothing about media types."""
BODY_READ_S: Final = 30.0
CHUNK_READ_S: Final = 10.0
_FORM_FIELDS_MAX: Final = 64
_QUERY_CHARACTERS_MAX: Final = 4096


async def read_body(
    request: web.Request,
    type_: type[T],
    *,
    bytes_max: int = BODY_BYTES_MAX,
    media_type: str = JSON,
) -> T:
    """Return the JSON (or form) body as `type_`, or raise an `InvalidRequestError` below.

    `MalformedJsonError`, `InvalidBodyError` with the pointer to the place,
    `BodyTooLargeError`, `UnsupportedMediaTypeError`, `RequestTimeoutError`.
    """
    raw = await read_bytes(request, bytes_max=bytes_max, media_type=media_type)
    if media_type == FORM:
        return shape(_fields(raw), type_, from_text=True)
    return decode_json(raw, type_, bytes_max=bytes_max)


async def read_bytes(request: web.Request, *, bytes_max: int, media_type: str) -> bytes:
    """Return the whole body, at most `bytes_max` long, of exactly this media type (or any)."""
    if request.content.is_eof() and request.content.exception() is None:
        # All of it came with its headers, as a small body does: nothing is waited for.
        _check_headers(request, bytes_max=bytes_max, media_type=media_type)
        raw = request.content.read_nowait()
        if len(raw) > bytes_max:
            raise BodyTooLargeError(f"body: more than {bytes_max} bytes")
        return raw
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_READ_S):
            async for chunk in body_chunks(request, bytes_max=bytes_max, media_type=media_type):
                chunks.append(chunk)  # noqa: PERF401 - what came so far is let go on a timeout
    except TimeoutError:
        raise RequestTimeoutError(f"body: not complete within {BODY_READ_S:g} s") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def body_chunks(
    request: web.Request, *, bytes_max: int, media_type: str
) -> AsyncIterator[bytes]:
    """Yield the body as it comes, for bodies too long to hold; the same refusals."""
    _check_headers(request, bytes_max=bytes_max, media_type=media_type)
    length = 0
    while chunk := await _next_chunk(request):
        length += len(chunk)
        if length > bytes_max:
            raise BodyTooLargeError(f"body: more than {bytes_max} bytes")
        yield chunk


def read_query(request: web.Request, type_: type[T]) -> T:
    """Return the query as `type_`; unknown, repeated and misspelt parameters are refused."""
    text = request.rel_url.raw_query_string
    if len(text) > _QUERY_CHARACTERS_MAX:
        raise InvalidQueryError(f"query: more than {_QUERY_CHARACTERS_MAX} characters")
    pairs = list(request.rel_url.query.items())
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidQueryError("query: a parameter stands twice")
    if any("\0" in text for pair in pairs for text in pair):
        raise InvalidQueryError("query: U+0000")
    try:
        return msgspec.convert(fields, type_, strict=False)
    except msgspec.ValidationError:
        raise InvalidQueryError("query: other parameters than this route takes") from None


def _fields(raw: bytes) -> dict[str, str]:
    """Return the fields of a form, each at most once."""
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_FORM_FIELDS_MAX,
        )
    except ValueError:  # a UnicodeDecodeError too
        raise InvalidBodyError("form: cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidBodyError("form: a field stands twice")
    if any("\0" in text for pair in pairs for text in pair):
        raise InvalidBodyError("form: U+0000")
    return fields


def _check_headers(request: web.Request, *, bytes_max: int, media_type: str) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise UnsupportedMediaTypeError("body: encoded")
    is_taken = media_type in (ANY_TYPE, request.content_type)
    if not is_taken or request.charset not in {None, "utf-8", "UTF-8"}:
        raise UnsupportedMediaTypeError(f"body: takes {media_type}")
    if request.content_length is not None and request.content_length > bytes_max:
        raise BodyTooLargeError(f"body: more than {bytes_max} bytes")


async def _next_chunk(request: web.Request) -> bytes:
    """Return what has come, waiting a bounded time for it; nothing at the end."""
    try:
        async with asyncio.timeout(CHUNK_READ_S):
            return await request.content.readany()
    except TimeoutError:
        raise RequestTimeoutError(f"body: nothing for {CHUNK_READ_S:g} s") from None
    except (web.RequestPayloadError, ClientPayloadError):
        raise InvalidRequestError("body: broken off") from None
