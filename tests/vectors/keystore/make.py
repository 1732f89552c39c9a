"""Write keystore.json, a store and a box that must open for ever: run it for a new format only."""

import json
import tempfile
from pathlib import Path

from certs.keystore import Box, KeyStore, MasterKey, row_ad

TARGET = Path(__file__).with_name("keystore.json")
MASTER = bytes(range(32))


def vectors() -> dict[str, object]:
    """Return the files of a small store, its keys, and one box."""
    master = MasterKey.from_bytes(MASTER)
    with tempfile.TemporaryDirectory() as folder:
        store = KeyStore.create(
            Path(folder) / "keys", master, network="demo", organisation="nagaoka"
        )
        keys = [store.month("2026-07"), store.column("own_code"), store.storage("replicas", 2026)]
        files = {path.name: path.read_bytes().hex() for path in store.directory.iterdir()}
    ad = row_ad("nagaoka", "replicas", "body", "17", 3)
    return {
        "master": MASTER.hex(),
        "files": files,
        "keys": {key.key_id: key.raw.hex() for key in keys},
        "box": {
            "key_id": keys[2].key_id,
            "ad": ad.hex(),
            "sealed": Box(keys[2]).seal("長岡市".encode(), ad).hex(),
            "plaintext": "長岡市".encode().hex(),
        },
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
