"""A zip archive made while its files come."""

import io
import zipfile
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.flows.record_archive import archived

PIECES = (("a.json", b"{}"), ("b/1.leaves", b"x" * 70_000), ("b/1.leaves", b"y"), ("c", b""))


async def whole(pieces: Sequence[tuple[str, bytes]]) -> list[bytes]:
    async def come() -> AsyncIterator[tuple[str, bytes]]:
        for piece in pieces:
            yield piece

    return [chunk async for chunk in archived(come())]


async def test_every_zip_reader_finds_the_files() -> None:
    raw = b"".join(await whole(PIECES))

    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.json", "b/1.leaves", "c"]
        assert archive.read("b/1.leaves") == b"x" * 70_000 + b"y"


async def test_nothing_waits_for_the_end() -> None:
    chunks = await whole(PIECES)

    assert len(chunks) >= 3
    assert max(len(chunk) for chunk in chunks) < 71_000


async def test_the_same_files_make_the_same_bytes() -> None:
    assert await whole(PIECES) == await whole(PIECES)


@pytest.mark.parametrize("pieces", [(), (("only", b"one"),)])
async def test_few_files_are_an_archive_too(pieces: Sequence[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(await whole(pieces)))) as archive:
        assert archive.namelist() == [name for name, _ in pieces]
