"""Make the golden vectors of signed documents: fixed keys, so that the form never drifts unseen.

ML-DSA signs with fresh randomness: the stored signatures must verify for ever, while what is
signed, every key id and every digest must come out byte for byte. Run by hand, never by a test:
`python -m tests.vectors.documents.make`.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from certs.documents import DocumentSigner, signed_message
from certs.keysets import SealingPublicKey
from certs.log_keys import LogSigner, WitnessKey
from certs.names import SUITE
from certs.organisations import Body, BodyClass
from certs.roots import DirectoryKey, Root
from codes.canonical import b64, canonical_json, parse_canonical

PLACE: Final = Path(__file__).with_name("documents.json")
BEGINS: Final = datetime(2026, 7, 1, tzinfo=UTC)
ROOT_SIGNER: Final = DocumentSigner.from_bytes(bytes(range(64)))
DIRECTORY_SIGNER: Final = DocumentSigner.from_bytes(bytes(range(64, 128)))
LOG_SIGNER: Final = LogSigner.from_bytes(bytes(range(128, 192)))
WITNESS: Final = WitnessKey.from_bytes(bytes(range(192, 224)))
MESSAGE: Final = b"sekisho test vector"


def a_root() -> Root:
    return Root(
        network="vectors",
        version=1,
        key=ROOT_SIGNER.public,
        not_before=BEGINS,
        not_after=BEGINS + timedelta(days=3650),
    )


def a_directory_key() -> DirectoryKey:
    return DirectoryKey(
        network="vectors",
        version=7,
        key=DIRECTORY_SIGNER.public,
        not_before=BEGINS,
        not_after=BEGINS + timedelta(days=90),
    )


def a_body() -> Body:
    return Body(
        body_code="XB15202000000001",
        name="長岡市長",
        classes=(
            BodyClass(class_id="市町村長", from_=date(2024, 5, 27), to=None, fact="市である"),
            BodyClass(
                class_id="保健所を設置する市の長",
                from_=date(2024, 5, 27),
                to=date(2026, 6, 13),
                fact="保健所を設置する",
            ),
        ),
    )


def a_sealing_key() -> SealingPublicKey:
    return SealingPublicKey(
        suite=SUITE,
        public=bytes(n % 251 for n in range(1216)),
        not_before=BEGINS,
        not_after=BEGINS + timedelta(days=90),
    )


def make() -> dict[str, object]:
    """Return all vectors; signatures differ from run to run, all else does not."""
    root, directory_key = a_root(), a_directory_key()
    root_document = root.sign(ROOT_SIGNER)
    directory_key_document = directory_key.sign(ROOT_SIGNER)
    return {
        "keys": {
            "root": ROOT_SIGNER.public.key_id,
            "directory": DIRECTORY_SIGNER.public.key_id,
            "sealing": a_sealing_key().key_id,
        },
        "log": {
            "ed25519": b64(LOG_SIGNER.public.ed25519),
            "mldsa44": b64(LOG_SIGNER.public.mldsa44),
            "witness": b64(WITNESS.public.mldsa44),
            "ed25519_signature": b64(LOG_SIGNER.sign_ed25519(MESSAGE)),
            "mldsa44_signature": b64(LOG_SIGNER.sign_mldsa44(MESSAGE)),
            "witness_signature": b64(WITNESS.sign_mldsa44(MESSAGE)),
        },
        "root": {
            "digest": root.digest,
            "message": b64(signed_message(root.to_signed(), "root")),
            "document": parse_canonical(root_document),
        },
        "directory_key": {"document": parse_canonical(directory_key_document)},
        "body": canonical_json(a_body().to_json()).decode("utf-8"),
    }


if __name__ == "__main__":
    PLACE.write_text(
        json.dumps(make(), ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
