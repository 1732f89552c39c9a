"""No edit of a signed document goes unseen, whatever it is and wherever."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.documents import DocumentSigner, document_digest, sign_document, verify_document
from certs.errors import CertsError
from certs.organisations import BodyClass

SIGNER = DocumentSigner.from_bytes(bytes(range(64)))
NAMES = st.text(alphabet="abcdefghij_", min_size=1, max_size=6)
TEXTS = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)
VALUES = st.recursive(
    st.integers(0, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CONTENTS = st.dictionaries(NAMES, VALUES, max_size=5)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


def _signed(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "type": "root", "version": 1}


@given(CONTENTS)
def test_what_was_signed_comes_back(content: dict[str, Any]) -> None:
    signed = _signed(content)

    raw = sign_document(signed, [SIGNER])

    assert verify_document(raw, type_="root", keys=[SIGNER.public]) == signed


@settings(max_examples=200)
@given(CONTENTS, st.data())
def test_no_changed_byte_goes_unseen(content: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(sign_document(_signed(content), [SIGNER]))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(CertsError):
        verify_document(bytes(raw), type_="root", keys=[SIGNER.public])


@given(CONTENTS, CONTENTS)
def test_signatures_of_one_content_never_stand_for_another(
    content: dict[str, Any], other: dict[str, Any]
) -> None:
    document = json.loads(sign_document(_signed(content), [SIGNER]))
    grafted = json.dumps(
        {"signatures": document["signatures"], "signed": _signed(other)},
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    ).encode()

    if content == other:
        assert document_digest(_signed(content)) == document_digest(_signed(other))
        return
    with pytest.raises(CertsError):
        verify_document(grafted, type_="root", keys=[SIGNER.public])


@given(st.binary(max_size=200))
def test_no_bytes_at_all_do_more_than_be_refused(raw: bytes) -> None:
    with pytest.raises(CertsError):
        verify_document(raw, type_="root", keys=[SIGNER.public])


@given(DAYS, st.integers(0, 800), DAYS)
def test_a_class_holds_from_its_first_to_its_last_day(first: date, length: int, day: date) -> None:
    last = first + timedelta(days=length)
    held = BodyClass(class_id="市町村長", from_=first, to=last, fact="x")

    assert held.holds_on(day) == (first <= day <= last)
    assert BodyClass.from_json(held.to_json()) == held
