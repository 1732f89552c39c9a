"""Write codes.json, fixed inputs and outputs: run it to add cases, never to hide a change."""

import json
from pathlib import Path

from codes.canonical import canonical_json
from codes.network_code import CodeColumn, CodeDeriver, NetworkCode, OrganisationCodes
from codes.numbers import ResidentCode

TARGET = Path(__file__).with_name("codes.json")
SECRET = bytes(range(64))
KEY = bytes(range(64, 128))
RESIDENT_CODE = "12345678901"
CANONICAL = [
    {"b": 2, "a": 1, "A": 0},
    {"text": '"\\/\b\f\n\r\t\x01\x1f\x7f\u2028 長岡市 😀', "list": [[], {}, "", 0, 2**53 - 1]},
    {"": "an empty name", "~\x7f": "the last ASCII names"},
]


def vectors() -> dict[str, object]:
    """Return all vectors as one JSON value."""
    deriver = CodeDeriver(SECRET)
    internal_id = deriver.internal_id(ResidentCode.parse(RESIDENT_CODE))
    code = OrganisationCodes(KEY, "nagaoka").code(internal_id)
    column = CodeColumn(KEY, organisation="nagaoka", column="own_code")
    return {
        "canonical": [{"value": v, "hex": canonical_json(v).hex()} for v in CANONICAL],
        "network_code": {
            "secret": SECRET.hex(),
            "key": KEY.hex(),
            "resident_code": RESIDENT_CODE,
            "lookup": deriver.lookup(ResidentCode.parse(RESIDENT_CODE)).hex(),
            "internal_id": internal_id.hex(),
            "organisation": "nagaoka",
            "code": code.raw.hex(),
            "column": "own_code",
            "stored": column.encrypt(NetworkCode.parse(code.raw)).hex(),
        },
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
