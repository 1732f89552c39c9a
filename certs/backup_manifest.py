"""A backup's manifest: what the backup holds, under both signatures of the organisation's log key.

Signed is `sekisho/backup/v1` ‖ 0x00 ‖ canonical JSON of `signed`: neither a checkpoint, whose text
begins with an origin, nor a cosigned message can read like it. It says who made the backup and
that nothing of it was left out or exchanged; what is in it opens with the backup key alone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from certs.errors import BackupError, CertsError
from certs.keysets import KeySet
from certs.log_keys import LogPublicKeys, LogSigner
from certs.members import read_bytes, read_members, read_text
from codes.canonical import b64, canonical_json, parse_canonical
from codes.errors import CodesError

MANIFEST_BYTES_MAX: Final = 8 * 1024 * 1024
_LABEL: Final = b"sekisho/backup/v1\0"


def sign_manifest(signed: Mapping[str, object], signer: LogSigner) -> bytes:
    """Return the manifest of `signed` with both signatures of the log key."""
    members = dict(signed)
    message = _LABEL + canonical_json(members, bytes_max=MANIFEST_BYTES_MAX)
    signature = {
        "key": _key_id(signer.public),
        "ed25519": b64(signer.sign_ed25519(message)),
        "mldsa44": b64(signer.sign_mldsa44(message)),
    }
    value = {"signed": members, "signature": signature}
    return canonical_json(value, bytes_max=MANIFEST_BYTES_MAX)


def read_manifest(raw: bytes) -> Mapping[str, object]:
    """Return the `signed` part of a manifest whose signatures nobody has looked at yet.

    Raises:
        BackupError: manifest-unreadable.
    """
    return _parts(raw)[0]


def verify_manifest(raw: bytes, key_sets: Sequence[KeySet], *, made_at: datetime) -> None:
    """Return quietly if a log key of these key sets signed it, in force when it was made.

    Raises:
        BackupError: manifest-unreadable, manifest-unsigned, manifest-altered.
    """
    signed, signature = _parts(raw)
    try:
        members = read_members(
            signature, required={"key", "ed25519", "mldsa44"}, where="manifest signature"
        )
        key_id = read_text(members, "key")
        ed25519, mldsa44 = read_bytes(members, "ed25519"), read_bytes(members, "mldsa44")
    except CertsError as error:
        raise BackupError("manifest-unreadable", str(error)) from None
    keys = [one.log for one in key_sets if one.not_before <= made_at < one.not_after]
    key = next((key for key in keys if _key_id(key) == key_id), None)
    if key is None:
        raise BackupError("manifest-unsigned", "by no log key of ours of that time")
    message = _LABEL + canonical_json(dict(signed), bytes_max=MANIFEST_BYTES_MAX)
    try:
        key.verify_ed25519(ed25519, message)
        key.verify_mldsa44(mldsa44, message)
    except CertsError:
        raise BackupError("manifest-altered", "its signatures are over something else") from None


def _parts(raw: bytes) -> tuple[dict[str, object], object]:
    try:
        outer = parse_canonical(raw, bytes_max=MANIFEST_BYTES_MAX)
    except CodesError as error:
        raise BackupError("manifest-unreadable", error.reason) from error
    signed = outer.get("signed")
    if set(outer) != {"signed", "signature"} or not isinstance(signed, dict):
        raise BackupError("manifest-unreadable", "members")
    return signed, outer["signature"]


def _key_id(key: LogPublicKeys) -> str:
    return sha256(key.ed25519 + key.mldsa44).hexdigest()
