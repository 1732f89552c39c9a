"""No token but the issued one is believed, and signatures count as PyJWT counts them."""

from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import PermitError
from certs.permits import PermitToken
from codes.canonical import b64, unb64
from tests.unit.certs.permit_tokens import (
    KEY,
    SIGNER,
    a_permit,
    a_token,
    claims_of,
    encoded,
    signed,
    verify,
)

TOKEN = a_token(a_permit(1), a_permit(2))
SINGLE = a_token(a_permit(1))
ISSUED = SIGNER.issue(TOKEN)
REASONS = {
    "token-malformed",
    "token-header",
    "token-key-unknown",
    "token-signature",
    "token-claims",
    "token-issuer",
    "token-audience",
    "token-lifetime",
    "token-not-yet-valid",
    "permit-expired",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
def test_any_changed_character_is_refused_with_a_reason(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(ISSUED) - 1))
    replacement = data.draw(st.characters(exclude_characters=ISSUED[at]) | st.just(""))

    with pytest.raises(PermitError) as caught:
        verify(ISSUED[:at] + replacement + ISSUED[at + 1 :])

    assert caught.value.reason in REASONS


@given(st.data())
def test_any_retyped_added_or_removed_claim_is_refused(data: st.DataObject) -> None:
    """Even under the core's own key: only exact claims are claims."""
    claims: Any = claims_of(SINGLE)
    part = claims
    while data.draw(st.booleans()):
        inner = [value for value in _values(part) if isinstance(value, dict | list) and value]
        if not inner:
            break
        part = data.draw(st.sampled_from(inner))
    _change(part, data)

    answer = _answer(signed(encoded(claims)))

    if isinstance(answer, PermitToken):
        # A changed value of the right type is the core's own word; it is read as it stands.
        assert claims_of(answer) == claims
        assert _shape(claims) == _shape(claims_of(SINGLE))
    else:
        assert answer in REASONS


@given(st.data())
def test_signatures_count_as_pyjwt_counts_them(data: st.DataObject) -> None:
    head, _, signature = ISSUED.rpartition(".")
    raw = bytearray(unb64(signature))
    for _ in range(data.draw(st.integers(0, 2))):
        raw[data.draw(st.integers(0, 63))] = data.draw(st.integers(0, 255))
    token = f"{head}.{b64(bytes(raw))}"

    try:
        jwt.PyJWS().decode_complete(token, KEY.public_key(), algorithms=["ES256"])
    except jwt.PyJWTError:
        with pytest.raises(PermitError) as caught:
            verify(token)
        assert caught.value.reason == "token-signature"
    else:
        assert verify(token) == TOKEN


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(PermitError) as caught:
        verify(token)

    assert caught.value.reason in REASONS


def _answer(token: str) -> PermitToken | str:
    try:
        return verify(token)
    except PermitError as error:
        return error.reason


def _values(part: Any) -> list[Any]:
    return list(part.values()) if isinstance(part, dict) else list(part)


def _change(part: Any, data: st.DataObject) -> None:
    keys = list(part) if isinstance(part, dict) else list(range(len(part)))
    key = data.draw(st.sampled_from(keys))
    match data.draw(st.sampled_from(["remove", "retype", "add"])):
        case "remove":
            del part[key]
        case "retype":
            part[key] = data.draw(json_values)
        case _ if isinstance(part, dict):
            part[data.draw(st.text(min_size=1, max_size=5))] = data.draw(json_values)
        case _:
            part.append(data.draw(json_values))


def _shape(part: Any) -> Any:
    """Names and types without values; lists of text may be of any length."""
    if isinstance(part, dict):
        return {name: _shape(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_shape(value) for value in part if isinstance(value, dict)]
    return type(part)
