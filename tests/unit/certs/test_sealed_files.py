"""Files of a backup: what was sealed opens, in any pieces; anything else has a name."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from certs.backup_keys import make_backup_key, read_backup_private, read_backup_public
from certs.errors import BackupError, KeyMaterialError
from certs.sealed_files import CHUNK_BYTES, TAG_BYTES, FilePlace, SealedWriter, open_file
from certs.sealing_keys import SealingPrivateKey

KEY = SealingPrivateKey.generate()
PLACE = FilePlace(network="test", organisation="nagaoka", backup_id="0" * 32, name="a.sealed")


def sealed(content: bytes, *, step: int = 300_000) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, PLACE, KEY.public)
    for start in range(0, len(content), step):
        writer.write(content[start : start + step])
    done = writer.finish()
    assert (done.size, done.plain) == (len(file.getvalue()), len(content))
    return file.getvalue()


def opened(raw: bytes, place: FilePlace = PLACE, key: SealingPrivateKey = KEY) -> bytes:
    return b"".join(open_file(io.BytesIO(raw), place, key))


def refused(raw: bytes, place: FilePlace = PLACE, key: SealingPrivateKey = KEY) -> str:
    with pytest.raises(BackupError) as error:
        opened(raw, place, key)
    return str(error.value)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_what_was_sealed_opens(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    assert opened(sealed(content)) == content


def test_every_change_of_its_chunks_is_named() -> None:
    raw = sealed(b"x" * (2 * CHUNK_BYTES + 5))
    begins, chunk = raw.index(b"\n") + 1, CHUNK_BYTES + TAG_BYTES
    head, body = raw[:begins], raw[begins:]
    first, second, last = body[:chunk], body[chunk : 2 * chunk], body[2 * chunk :]
    flipped = bytes([first[0] ^ 1]) + first[1:]

    assert refused(head + flipped + second + last) == "does-not-open: a.sealed: chunk 0"
    assert refused(head + second + first + last) == "does-not-open: a.sealed: chunk 0"
    assert refused(head + first + last) == "does-not-open: a.sealed: chunk 1"
    assert refused(head + first + second) == "truncated: a.sealed: chunk 1"
    assert refused(head) == "truncated: a.sealed: chunk 0"
    assert refused(head + first + second + last + last).startswith("does-not-open")
    short = sealed(b"x" * CHUNK_BYTES)
    assert refused(short + last) == "runs-on: a.sealed: chunk 0"


def test_a_file_opens_in_its_place_and_under_its_key_alone() -> None:
    raw = sealed(b"x")

    assert refused(raw, replace(PLACE, backup_id="1" * 32)) == "of-another-backup: a.sealed"
    assert refused(raw, replace(PLACE, name="b.sealed")) == "another-file: b.sealed"
    assert refused(raw, replace(PLACE, organisation="other")).startswith("does-not-open")
    assert refused(raw, key=SealingPrivateKey.generate()).startswith("other-key: sealed to")
    renamed = raw.replace(b'"a.sealed"', b'"b.sealed"', 1)
    assert refused(renamed, replace(PLACE, name="b.sealed")).startswith("does-not-open")
    assert refused(b"no header\n") == "not-sealed: no header"
    assert refused(raw.replace(b'"format":1', b'"format":2', 1)) == "not-sealed: another format"


def test_a_backup_key_is_two_files_that_are_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    key_id = make_backup_key(private, public)

    key = read_backup_private(private)
    assert (key.key_id, key.public) == (key_id, read_backup_public(public))
    assert private.stat().st_mode & 0o777 == 0o600
    for private_, public_ in ((private, tmp_path / "p"), (tmp_path / "p", public)):
        with pytest.raises(KeyMaterialError) as there:
            make_backup_key(private_, public_)
        assert there.value.reason == "key-file-exists"
    with pytest.raises(KeyMaterialError) as swapped:
        read_backup_public(private)
    assert swapped.value.reason == "key-of-another-kind"
    public.write_text(public.read_text()[:60])
    with pytest.raises(KeyMaterialError) as short:
        read_backup_public(public)
    assert short.value.reason == "key-malformed"
