"""Make the golden vectors of sealing: `python tests/vectors/sealing/make.py`.

HPKE draws its own randomness, so a new run makes new ciphertexts; the stored ones must open for
as long as the suite keeps its id. Run it for a new suite id only.
"""

import json
import textwrap
from base64 import b64encode
from hashlib import shake_256
from pathlib import Path
from typing import Any

from certs import sealing

HERE = Path(__file__).parent
NAMES = {"network": "self-test", "recipient": "recipient"}
SALT = bytes(range(32))


def fixed(label: str, length: int) -> bytes:
    """Return bytes that anybody can make again: SHAKE-256 of the label."""
    return shake_256(label.encode()).digest(length)


def vector() -> dict[str, Any]:  # JSON
    key = sealing.SealingPrivateKey.from_bytes(fixed("sekisho sealing vector", 96))
    sealer = sealing.MessageSealer.start("answer", sender="sender", public_key=key.public, **NAMES)
    header = sealer.header
    leaf, permit_id = fixed("leaf", 32), fixed("permit", 16).hex()
    first = sealer.seal(b"sekisho", inquiry_leaf=None, permit_id=None)
    packed = sealing.pack_answer(SALT, b"payload")
    second = sealer.seal(packed, inquiry_leaf=leaf, permit_id=permit_id)
    return {
        "private_key": key.to_bytes().hex(),
        "public_key": key.public.hex(),
        "key_id": key.key_id,
        "header": header.to_json(),
        "info": sealing.sealing_info(
            "answer",
            sender="sender",
            message_id=header.message_id,
            key_id=header.key_id,
            **NAMES,
        ).hex(),
        "items": [
            {"n": first.n, "ct": first.ct.hex(), "plaintext": b"sekisho".hex()},
            {
                "n": second.n,
                "ct": second.ct.hex(),
                "plaintext": packed.hex(),
                "inquiry_leaf": leaf.hex(),
                "permit_id": permit_id,
            },
        ],
    }


def module(made: dict[str, Any]) -> str:  # JSON
    """Return the source of `certs/sealing_vector.py`."""
    header, first = made["header"], made["items"][0]
    key = sealing.SealingPrivateKey.from_bytes(bytes.fromhex(made["private_key"]))
    parsed = sealing.KeyHeader.from_json(header)
    lines = [
        '"""The stored message that every start must be able to open; the key is public."""',
        "",
        "from base64 import b64decode",
        "from typing import Final",
        "",
        f'MESSAGE_ID: Final = "{parsed.message_id}"',
        'PLAINTEXT: Final = b"sekisho"',
    ]
    parts = {
        "PRIVATE_KEY": key.to_bytes(),
        "ENC": parsed.enc,
        "CIPHERTEXT": bytes.fromhex(first["ct"]),
    }
    for name, raw in parts.items():
        rows = textwrap.wrap(b64encode(raw).decode(), 88)
        lines += [f"{name}: Final = b64decode(", *(f'    "{row}"' for row in rows), ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    made = vector()
    (HERE / "sealing.json").write_text(json.dumps(made, indent=1) + "\n")
    (HERE.parents[2] / "certs" / "sealing_vector.py").write_text(module(made))
