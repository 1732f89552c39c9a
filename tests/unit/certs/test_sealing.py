"""Sealing: opens for the one key, purpose, pair of names and item it was sealed for."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from certs import sealing, sealing_vector
from certs.errors import CertsError, KeyMaterialError, SealingError
from certs.sealing import KeyHeader, MessageSealer, SealingPrivateKey, open_message

KEY = SealingPrivateKey.generate()
LEAF = bytes(range(32))
PERMIT = "ab" * 16
SALT = bytes(range(32, 64))
VECTOR: Any = json.loads(  # JSON of a golden file
    (Path(__file__).parents[2] / "vectors" / "sealing" / "sealing.json").read_text()
)


def start(purpose: str = "answer", **names: str) -> MessageSealer:
    given = {"network": "net", "sender": "gunma-union", "recipient": "nagaoka", **names}
    return MessageSealer.start(purpose, public_key=KEY.public, **given)


def opened(header: KeyHeader, **changed: str) -> sealing.MessageOpener:
    given = {"purpose": "answer", "network": "net", "recipient": "nagaoka", **changed}
    return open_message(KEY, header, **given)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as caught:
        call()
    return caught.value.reason


def test_many_items_travel_under_one_key() -> None:
    sealer = start()
    items = [sealer.seal(b"%d" % n, inquiry_leaf=LEAF, permit_id=PERMIT) for n in range(3)]
    opener = opened(KeyHeader.from_json(sealer.header.to_json()))

    assert [item.n for item in items] == [0, 1, 2]
    for n, item in enumerate(items):
        assert opener.open(item.n, item.ct, inquiry_leaf=LEAF, permit_id=PERMIT) == b"%d" % n


def test_every_message_has_a_key_and_an_id_of_its_own() -> None:
    first, second = start(), start()
    sealed = first.seal(b"x", inquiry_leaf=LEAF, permit_id=PERMIT)

    assert first.header.message_id != second.header.message_id
    opener = opened(second.header)
    assert (
        reason(lambda: opener.open(0, sealed.ct, inquiry_leaf=LEAF, permit_id=PERMIT))
        == "does-not-open"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "notice"},
        {"purpose": "code-in-permit"},
        {"network": "other"},
        {"recipient": "core"},
    ],
    ids=str,
)
def test_another_purpose_or_name_does_not_open(changed: dict[str, str]) -> None:
    header = start().header

    assert reason(lambda: opened(header, **changed)) == "does-not-open"


@pytest.mark.parametrize(
    "changed",
    [{"sender": "core"}, {"message_id": "0" * 32}, {"enc": bytes(sealing.ENC_BYTES)}],
    ids=["sender", "message id", "encapsulation"],
)
def test_a_changed_header_does_not_open(changed: dict[str, Any]) -> None:
    header = replace(start().header, **changed)

    assert reason(lambda: opened(header)) == "does-not-open"


def test_a_message_for_another_key_is_refused_before_opening() -> None:
    header = start().header

    assert (
        reason(
            lambda: open_message(
                SealingPrivateKey.generate(),
                header,
                purpose="answer",
                network="net",
                recipient="nagaoka",
            )
        )
        == "other-key"
    )


def test_an_item_is_bound_to_number_inquiry_and_permit() -> None:
    sealer = start()
    item = sealer.seal(b"x", inquiry_leaf=LEAF, permit_id=PERMIT)
    opener = opened(sealer.header)

    def refused(n: int, ct: bytes, leaf: bytes | None, permit_id: str | None) -> bool:
        return (
            reason(lambda: opener.open(n, ct, inquiry_leaf=leaf, permit_id=permit_id))
            == "does-not-open"
        )

    assert refused(1, item.ct, LEAF, PERMIT)
    assert refused(0, item.ct, bytes(32), PERMIT)
    assert refused(0, item.ct, None, PERMIT)
    assert refused(0, item.ct, LEAF, None)
    assert refused(0, item.ct, LEAF, "cd" * 16)
    assert refused(0, item.ct[:-1], LEAF, PERMIT)
    assert refused(0, b"", LEAF, PERMIT)
    for at in range(len(item.ct)):
        flipped = item.ct[:at] + bytes([item.ct[at] ^ 1]) + item.ct[at + 1 :]
        assert refused(0, flipped, LEAF, PERMIT)


def test_absent_bindings_count_as_zeros() -> None:
    sealer = start()
    item = sealer.seal(b"x", inquiry_leaf=None, permit_id=None)

    opener = opened(sealer.header)

    assert opener.open(0, item.ct, inquiry_leaf=bytes(32), permit_id="0" * 32) == b"x"


def test_a_code_request_is_bound_by_its_request_id() -> None:
    sealer = start()
    request = bytes(range(16))
    item = sealer.seal(b"x", inquiry_leaf=request, permit_id=None)

    opener = opened(sealer.header)

    assert opener.open(0, item.ct, inquiry_leaf=request, permit_id=None) == b"x"
    assert opener.open(0, item.ct, inquiry_leaf=request + bytes(16), permit_id=None) == b"x"


def test_bindings_of_another_form_are_refused() -> None:
    sealer = start()

    assert reason(lambda: sealer.seal(b"", inquiry_leaf=b"x", permit_id=None)) == "bad-binding"
    assert reason(lambda: sealer.seal(b"", inquiry_leaf=None, permit_id="AB" * 16)) == "bad-binding"
    assert reason(lambda: sealer.seal(b"", inquiry_leaf=None, permit_id="ab")) == "bad-binding"
    opener = opened(sealer.header)
    assert (
        reason(lambda: opener.open(0, b"", inquiry_leaf=bytes(33), permit_id=None)) == "bad-binding"
    )


def test_numbers_out_of_range_are_refused() -> None:
    sealer = start()
    opener = opened(sealer.header)

    for number in (-1, 2**53):
        with pytest.raises(SealingError, match="bad-number"):
            opener.open(number, b"", inquiry_leaf=None, permit_id=None)
    sealer._next = sealing.NUMBER_MAX + 1
    assert reason(lambda: sealer.seal(b"", inquiry_leaf=None, permit_id=None)) == "message-full"


def test_items_too_large_are_refused() -> None:
    sealer = start()
    large = bytes(sealing.ITEM_BYTES_MAX + 1)

    assert reason(lambda: sealer.seal(large, inquiry_leaf=None, permit_id=None)) == "too-large"
    opener = opened(sealer.header)
    assert (
        reason(lambda: opener.open(0, large + bytes(16), inquiry_leaf=None, permit_id=None))
        == "too-large"
    )
    assert reason(lambda: sealing.pack_answer(SALT, large)) == "too-large"


def test_unknown_purposes_and_names_are_refused() -> None:
    assert reason(lambda: start("gossip")) == "unknown-purpose"
    for name in ("network", "sender", "recipient"):
        for wrong in ("", "A", "a b", "x" * 64, "x\n"):
            with pytest.raises(SealingError, match="bad-name"):
                start(**{name: wrong})


@pytest.mark.parametrize(
    "public",
    [b"", KEY.public[:-1], KEY.public + b"x", b"\xff" * 1184 + KEY.public[1184:]],
    ids=["empty", "short", "long", "no ML-KEM key"],
)
def test_a_public_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="key-malformed"):
        MessageSealer.start("answer", network="n", sender="s", recipient="r", public_key=public)


def test_a_public_point_of_small_order_is_refused() -> None:
    public = KEY.public[:1184] + bytes(32)

    with pytest.raises(KeyMaterialError, match="key-malformed"):
        MessageSealer.start("answer", network="n", sender="s", recipient="r", public_key=public)


def test_a_private_key_is_kept_as_seed_and_scalar() -> None:
    again = SealingPrivateKey.from_bytes(KEY.to_bytes())

    assert len(KEY.to_bytes()) == 96
    assert len(KEY.public) == 1216
    assert (again.public, again.key_id) == (KEY.public, KEY.key_id)
    with pytest.raises(KeyMaterialError, match="key-malformed"):
        SealingPrivateKey.from_bytes(KEY.to_bytes()[1:])


def test_the_key_id_is_the_reply_key_of_the_protocol() -> None:
    suite = b"mlkem768-x25519/hkdf-sha256/aes-256-gcm/1"

    assert KEY.key_id == sha256(suite + b"\x00" + KEY.public).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda header: [header],
        lambda header: {**header, "extra": "x"},
        lambda header: {name: header[name] for name in ("message_id", "sender", "key_id")},
        lambda header: {**header, "sender": 1},
        lambda header: {**header, "sender": "A"},
        lambda header: {**header, "message_id": "AB" * 16},
        lambda header: {**header, "key_id": "0"},
        lambda header: {**header, "enc": "*"},
        lambda header: {**header, "enc": "AAAA"},
    ],
    ids=["list", "extra", "missing", "type", "sender", "id", "key", "spelling", "length"],
)
def test_a_header_that_is_none_is_refused(change: Callable[[dict[str, str]], object]) -> None:
    header = change(start().header.to_json())

    assert reason(lambda: KeyHeader.from_json(header)) == "bad-header"


def test_answers_are_padded_to_whole_kibibytes() -> None:
    for length in (0, 1, 987, 988, 989, 2011, 2012, 2013):
        payload = bytes(range(256)) * 8
        packed = sealing.pack_answer(SALT, payload[:length])

        assert len(packed) == -(-(36 + length) // 1024) * 1024
        assert sealing.unpack_answer(packed) == (SALT, payload[:length])


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        bytes(36),
        sealing.pack_answer(SALT, b"x")[:-1],
        sealing.pack_answer(SALT, b"x") + bytes(1024),
        sealing.pack_answer(SALT, b"x")[:-1] + b"x",
        SALT + (2**32 - 1).to_bytes(4, "big") + bytes(988),
        SALT + (989).to_bytes(4, "big") + bytes(988),
    ],
    ids=["empty", "head", "short", "long", "no zeros", "huge", "over the edge"],
)
def test_another_padding_is_refused(packed: bytes) -> None:
    assert reason(lambda: sealing.unpack_answer(packed)) == "bad-padding"


def test_codes_are_packed_in_64_bytes() -> None:
    code = bytes(range(32))

    assert sealing.unpack_code(sealing.pack_code(SALT, code)) == (SALT, code)
    assert len(sealing.pack_code(SALT, code)) == 64
    assert reason(lambda: sealing.pack_code(SALT, code[1:])) == "bad-code"
    assert reason(lambda: sealing.pack_code(SALT[1:], code)) == "bad-salt"
    assert reason(lambda: sealing.unpack_code(bytes(63))) == "bad-code"
    assert reason(lambda: sealing.pack_answer(SALT[1:], b"")) == "bad-salt"


def test_secrets_print_masked() -> None:
    sealer = start()
    opener = opened(sealer.header)

    for secret in (KEY, sealer, opener):
        assert repr(secret).endswith("(***)")
    assert "enc" not in repr(sealer.header)


def test_the_golden_message_opens() -> None:
    key = SealingPrivateKey.from_bytes(bytes.fromhex(VECTOR["private_key"]))
    header = KeyHeader.from_json(VECTOR["header"])
    info = sealing.sealing_info(
        "answer",
        network="self-test",
        sender="sender",
        recipient="recipient",
        message_id=header.message_id,
        key_id=header.key_id,
    )

    opener = open_message(key, header, purpose="answer", network="self-test", recipient="recipient")

    assert key.public.hex() == VECTOR["public_key"]
    assert key.key_id == VECTOR["key_id"]
    assert info.hex() == VECTOR["info"]
    assert info.startswith(b"\x00\x11sekisho/answer/v1\x00\x09self-test\x00\x06sender")
    for item in VECTOR["items"]:
        leaf = bytes.fromhex(item["inquiry_leaf"]) if "inquiry_leaf" in item else None
        plaintext = opener.open(
            item["n"],
            bytes.fromhex(item["ct"]),
            inquiry_leaf=leaf,
            permit_id=item.get("permit_id"),
        )
        assert plaintext.hex() == item["plaintext"]


def test_the_self_test_opens_the_golden_message() -> None:
    sealing.self_test()

    assert VECTOR["header"]["message_id"] == sealing_vector.MESSAGE_ID


def test_the_self_test_notices_other_wire_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "ENC", bytes(sealing.ENC_BYTES))

    with pytest.raises(SealingError, match="self-test-failed"):
        sealing.self_test()


def test_the_self_test_notices_another_plaintext(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "PLAINTEXT", b"another")

    with pytest.raises(SealingError, match="self-test-failed"):
        sealing.self_test()
