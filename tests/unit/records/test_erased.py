"""The file of erasures: what cannot be read is refused, and most bundles have none."""

import json
from functools import cache

import pytest

from gateway.records.erased import ERASURES
from gateway.records.errors import RecordsError
from gateway.records.grounds import read_grounds, write_grounds
from tests.damage import good as goods
from tests.damage.aged import Aged


@cache
def the_aged() -> Aged:
    return Aged(good=goods.make())


def test_what_was_written_is_read() -> None:
    proof = the_aged().proof()

    assert read_grounds({ERASURES: write_grounds(ERASURES, [proof])}, ERASURES) == (proof,)
    assert read_grounds({}, ERASURES) == ()


@pytest.mark.parametrize(
    ("member", "value"), [("entry", "+"), ("path", "AAAA"), ("index", -1), ("more", 1)]
)
def test_what_is_no_proof_is_refused(member: str, value: object) -> None:
    said = json.loads(write_grounds(ERASURES, [the_aged().proof()]))
    said["erasures"][0][member] = value

    with pytest.raises(RecordsError, match="bad-bundle"):
        read_grounds({ERASURES: json.dumps(said).encode()}, ERASURES)
