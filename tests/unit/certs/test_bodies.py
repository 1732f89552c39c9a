"""The bodies of a directory, written once and read again: the same answers, nothing else in it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, Final

import msgspec
import pytest

from certs.bodies import ListedBodies
from certs.errors import CertsError
from codes.canonical import canonical_json
from tests.unit.certs.networks import NAGAOKA_MAYOR, SCHOOL_BOARD, a_network

DIRECTORY: Final = a_network().directory
LISTED: Final = ListedBodies.of(DIRECTORY.organisations)
DAY: Final = date(2026, 7, 1)


def test_what_is_read_again_answers_as_the_directory_does() -> None:
    again = ListedBodies.parse(LISTED.document)

    assert again == LISTED
    assert again.digest == hashlib.sha256(LISTED.document).hexdigest()
    for body in (NAGAOKA_MAYOR, SCHOOL_BOARD):
        assert again.organisation_of(body) == DIRECTORY.organisation_of(body) == "nagaoka"
        assert again.classes_of(body, DAY) == DIRECTORY.classes_of(body, DAY)
        assert again.classes_of(body, DAY)


def test_keys_and_the_order_of_organisations_change_nothing() -> None:
    other = {
        name: replace(party, key_sets=(), key_set_documents=(), slots=2)
        for name, party in reversed(list(DIRECTORY.organisations.items()))
    }

    assert ListedBodies.of(other).document == LISTED.document


def test_another_class_is_another_document() -> None:
    party = DIRECTORY.organisation("nagaoka")
    fewer = {**DIRECTORY.organisations, "nagaoka": replace(party, bodies=party.bodies[:1])}

    assert ListedBodies.of(fewer).digest != LISTED.digest


def test_nobodys_body_is_unknown() -> None:
    for look in (
        lambda: LISTED.organisation_of("XB00000000000099"),
        lambda: LISTED.classes_of("XB00000000000099", DAY),
    ):
        with pytest.raises(CertsError) as refusal:
            look()
        assert refusal.value.reason == "unknown-body"


def _twice(value: Any) -> Any:
    return {"organisations": [*value["organisations"], value["organisations"][0]]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: {**value, "more": 1}, "unknown-member"),
        (lambda _value: {}, "member-missing"),
        (lambda _value: {"organisations": {}}, "wrong-type"),
        (_twice, "duplicate-body"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(
    change: Callable[[Any], Any], reason: str
) -> None:
    value = msgspec.json.decode(LISTED.document)

    with pytest.raises(CertsError) as refusal:
        ListedBodies.parse(canonical_json(change(value)))

    assert refusal.value.reason == reason


def test_bytes_that_are_no_canonical_json_are_refused() -> None:
    with pytest.raises(CertsError) as refusal:
        ListedBodies.parse(LISTED.document + b" ")

    assert refusal.value.reason == "not-canonical"
