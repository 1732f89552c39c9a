import json
from pathlib import Path
from typing import Any

import pytest

from codes.canonical import canonical_json, parse_canonical
from codes.network_code import CodeColumn, CodeDeriver, OrganisationCodes
from codes.numbers import ResidentCode

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "codes" / "codes.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["canonical"], ids=lambda case: case["hex"][:24])
def test_canonical_bytes_stay_as_they_were(case: dict[str, Any]) -> None:
    assert canonical_json(case["value"]).hex() == case["hex"]
    assert parse_canonical(bytes.fromhex(case["hex"])) == case["value"]


def test_derived_and_stored_codes_stay_as_they_were() -> None:
    case = VECTORS["network_code"]
    deriver = CodeDeriver(bytes.fromhex(case["secret"]))
    resident_code = ResidentCode.parse(case["resident_code"])
    key = bytes.fromhex(case["key"])
    codes = OrganisationCodes(key, case["organisation"])
    column = CodeColumn(key, organisation=case["organisation"], column=case["column"])

    assert deriver.lookup(resident_code).hex() == case["lookup"]
    assert deriver.internal_id(resident_code).hex() == case["internal_id"]
    assert codes.code(bytes.fromhex(case["internal_id"])).raw.hex() == case["code"]
    assert column.encrypt(codes.code(bytes.fromhex(case["internal_id"]))).hex() == case["stored"]
