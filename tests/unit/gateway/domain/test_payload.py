"""What a provider sealed must be what was asked for, whatever its commitment says."""

from datetime import date
from typing import Any

import pytest

from codes.canonical import canonical_json
from gateway.domain.payload import PAYLOAD_BYTES_MAX, PayloadError, require_asked
from gateway.domain.replica import ReplicaRecord, payload_of

ITEMS = ("X1", "X2")
RECORD = {"key": "a", "items": {"X1": 1}}


def reason_of(raw: bytes) -> str | None:
    try:
        require_asked(raw, term="T", scope="S", items=ITEMS)
    except PayloadError as error:
        return error.reason
    return None


def a_payload(**changes: Any) -> bytes:
    return canonical_json({"term": "T", "scope": "S", "records": [RECORD]} | changes)


def test_what_a_provider_makes_of_its_replica_is_taken() -> None:
    record = ReplicaRecord(
        record_key="2026",
        period_from=date(2026, 4, 1),
        period_to=date(2027, 3, 31),
        generation=1,
        items={"X1": 3500, "X2": {"reason_of_null": "not-yet"}, "X3": "not asked for"},
    )

    payload = payload_of([record], ITEMS, term="T", scope="S")

    assert reason_of(canonical_json(payload)) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"term":"T"}',
        a_payload().replace(b":", b": ", 1),
        a_payload(more=1),
        a_payload(records=[]),
        a_payload(records=[{"key": "a"}]),
        a_payload(records=[{"key": "a", "items": {}}]),
        a_payload(records=[RECORD | {"more": 1}]),
        a_payload(records=[RECORD | {"from": "yesterday"}]),
        a_payload(records=[RECORD | {"items": {"X1": [1]}}]),
        a_payload(records=[RECORD | {"items": {"X1": {"reason_of_null": 1}}}]),
    ],
)
def test_another_shape_is_refused(raw: bytes) -> None:
    assert reason_of(raw) == "payload-shape"


@pytest.mark.parametrize(
    "change",
    [
        {"term": "T2"},
        {"scope": "S2"},
        {"records": [RECORD, {"key": "b", "items": {"X1": 1, "X3": "not asked for"}}]},
    ],
)
def test_information_that_was_not_asked_for_is_refused(change: dict[str, Any]) -> None:
    assert reason_of(a_payload(**change)) == "other-information"


def test_a_payload_longer_than_any_provider_makes_is_refused() -> None:
    raw = canonical_json(
        {"term": "T", "scope": "S", "records": [{"key": "a", "items": {"X1": "a" * 1024**2}}]},
        bytes_max=2 * PAYLOAD_BYTES_MAX,
    )

    assert reason_of(raw) == "payload-shape"


def test_the_refusal_holds_nothing_of_the_payload() -> None:
    with pytest.raises(PayloadError) as refused:
        require_asked(b'{"secret":1}', term="T", scope="S", items=ITEMS)

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
