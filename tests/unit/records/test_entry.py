"""Entries: what each kind may show, and that there is one way to write it."""

from collections.abc import Mapping
from hashlib import sha256

import pytest

from certs.permits import Permit
from certs.terms import TERMS, Latest, OfYear, Terms, differing_terms
from codes.canonical import canonical_json
from gateway.records.entry import (
    build_entry,
    build_private,
    check_members,
    open_private,
    parse_entry,
    payload_commitment,
    private_commitment,
    subject_commitment,
)
from gateway.records.errors import RecordsError
from gateway.records.kinds import COMMON, KINDS, Inquiry, PermitGranted, Public
from gateway.records.tree import leaf_hash
from tests.unit.records import made

SALT = bytes(range(32))
EXCHANGE = set(made.MEMBERS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_comes_back_as_it_was_built(kind: str) -> None:
    entry = made.an_entry(kind, private={"staff": "s1"})

    parsed = parse_entry(entry.raw)

    assert parsed.leaf_hash == entry.leaf_hash == leaf_hash(entry.raw)
    assert type(parsed.public) is KINDS[kind]
    assert parsed.public.kind == kind
    assert parsed.public.private == private_commitment(entry.private_plaintext).hex()
    assert open_private(entry.private_plaintext, parsed.public.private) == {"staff": "s1"}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - EXCHANGE))
def test_an_entry_outside_any_exchange_shows_only_the_common_members(kind: str) -> None:
    assert KINDS[kind] is Public

    with pytest.raises(RecordsError) as caught:
        check_members(kind, {"staff": "s1"})
    assert caught.value.reason == "bad-entry"


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, m in made.MEMBERS.items() for n in m])
def test_no_member_takes_a_boolean_a_float_or_another_type(kind: str, name: str) -> None:
    for wrong in (True, 1.5, [1], {"x": 1}, -1, "", "x" * 201, "line\nfeed", "\x00"):
        with pytest.raises(RecordsError) as caught:
            check_members(kind, {**made.MEMBERS[kind], name: wrong})
        assert caught.value.reason == "bad-entry"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("inquiry", {"law_day": "2026-02-30"}),
        ("inquiry", {"condition": {"kind": "period", "from": "2026-07-02", "to": "2026-07-01"}}),
        ("inquiry", {"condition": {"kind": "period", "from": "2026-02-30", "to": "2026-07-01"}}),
        ("inquiry", {"condition": {"kind": "years", "year": 1}}),
        ("inquiry", {"condition": {"kind": "latest", "year": 1}}),
        ("inquiry", {"consent": {"state": "required", "date": "2026-02-30"}}),
        ("inquiry", {"subject": "1" * 64 + "\n"}),
        ("inquiry", {"provider": "gunma-union\n"}),
        ("inquiry", {"provider": "Gunma"}),
        ("inquiry", {"department": "\ud800"}),
        ("inquiry", {"unknown": 1}),
        ("inquiry", {"subject": None}),
        ("permit", {"requested_at": "2026-07-01T25:00:00.000Z"}),
        ("permit", {"permit_id": "A" * 32}),
        ("provision", {"payload": None}),
        ("provision", {"outcome": "withheld"}),
        ("provision", {"outcome": "refused", "payload": None}),
        ("delivery", {"payload": "7" * 64}),
        ("delivery", {"outcome": "withheld"}),
        ("provision", {"reason": "stopped"}),
        ("provision", {"outcome": "withheld", "payload": None, "reason": "flagged"}),
        ("provision", {"outcome": "no-information", "payload": None, "reason": "no-code"}),
        ("receipt", {"outcome": "lost"}),
    ],
)
def test_impossible_members_are_refused(kind: str, change: Mapping[str, object]) -> None:
    with pytest.raises(RecordsError) as caught:
        check_members(kind, {**made.MEMBERS[kind], **change})

    assert caught.value.reason == "bad-entry"
    assert "2026" not in str(caught.value)


def test_a_refusal_says_where_the_fault_is_and_not_what_it_was() -> None:
    with pytest.raises(RecordsError) as caught:
        check_members("inquiry", {**made.INQUIRY, "subject": "secret"})

    assert caught.value.detail == "$.subject"


def test_an_absent_member_may_be_given_as_none() -> None:
    check_members("receipt", {**made.MEMBERS["receipt"], "permit_id": None})
    check_members("provision", {**made.PROVISION, "outcome": "withheld", "payload": None})


def test_what_was_decided_before_the_person_may_say_why() -> None:
    denied = {"outcome": "denied", "payload": None, "reason": "stopped"}

    check_members("provision", {**made.PROVISION, **denied})
    check_members("delivery", {**made.MEMBERS["delivery"], "reason": "by-law"})


def test_common_members_and_unknown_kinds_are_refused() -> None:
    for name in COMMON:
        with pytest.raises(RecordsError) as caught:
            check_members("staff-added", {name: 1})
        assert caught.value.reason == "reserved-member"
    with pytest.raises(RecordsError) as caught:
        check_members("gossip", {})
    assert caught.value.reason == "unknown-kind"


def test_an_entry_larger_than_a_bundle_can_hold_is_refused() -> None:
    items = ["項" * 200] * 200

    with pytest.raises(RecordsError) as caught:
        check_members(
            "inquiry",
            {**made.INQUIRY, "information": {"term": "T", "scope": "S", "items": items}},
        )

    assert caught.value.reason == "entry-too-large"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "bad-entry"),
        (b"{}", "bad-entry"),
        (b'{"kind":1}', "bad-entry"),
        (b'{"kind":"gossip"}', "unknown-kind"),
        (b'{"kind":"inquiry"}', "bad-entry"),
        (b"[" * 60_000, "bad-entry"),
        (b'{"kind":"\xff"}', "bad-entry"),
        (b" " * 65_536, "entry-too-large"),
    ],
)
def test_bytes_that_are_no_entry_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(RecordsError) as caught:
        parse_entry(raw)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"affair"', b' "affair"'),
        (b'"slot":0', b'"slot":0,"slot":0'),
        (b'"slot":0', b'"slot":0.0'),
        (b'"slot":0', b'"slot":-0'),
        (b'"department":"', b'"department":"\\u0041'),
        (b'"v":1', b'"subject_role2":null,"v":1'),
        (b'"v":1}', b'"v":1}\n'),
        (b'"v":1', b'"v":2'),
        (b'"ground":"XG01",', b'"date":null,"ground":"XG01",'),
    ],
)
def test_a_second_spelling_of_an_entry_is_refused(old: bytes, new: bytes) -> None:
    raw = made.an_entry().raw
    assert old in raw

    with pytest.raises(RecordsError) as caught:
        parse_entry(raw.replace(old, new))

    assert caught.value.reason in {"bad-entry", "not-canonical"}


def test_commitments_are_labelled_hashes() -> None:
    code, payload = bytes(32), b"payload"

    assert (
        subject_commitment(SALT, code) == sha256(b"sekisho/subject/v1\x00" + SALT + code).digest()
    )
    assert (
        payload_commitment(SALT, payload)
        == sha256(b"sekisho/payload/v1\x00" + SALT + payload).digest()
    )
    assert private_commitment(b"{}") == sha256(b"sekisho/private/v1\x00{}").digest()


def test_commitments_refuse_salts_and_codes_of_another_length() -> None:
    with pytest.raises(RecordsError, match="bad-salt"):
        subject_commitment(SALT[1:], bytes(32))
    with pytest.raises(RecordsError, match="bad-code"):
        subject_commitment(SALT, bytes(31))
    with pytest.raises(RecordsError, match="bad-salt"):
        payload_commitment(SALT + b"x", b"")


def test_a_private_part_opens_only_its_own_commitment() -> None:
    plaintext = build_private({"a": 1}, salt=SALT)
    commitment = private_commitment(plaintext).hex()

    assert open_private(plaintext, commitment) == {"a": 1}
    with pytest.raises(RecordsError, match="private-mismatch"):
        open_private(plaintext + b" ", commitment)


@pytest.mark.parametrize(
    ("plaintext", "reason"),
    [
        (b"[]", "bad-private"),
        (b'{"salt":"*"}', "bad-private"),
        (b'{"salt":"AA"}', "bad-salt"),
        (b"{}", "bad-salt"),
        (b'{"salt":1}', "bad-private"),
    ],
)
def test_a_committed_private_part_must_still_be_one(plaintext: bytes, reason: str) -> None:
    with pytest.raises(RecordsError) as caught:
        open_private(plaintext, private_commitment(plaintext).hex())

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("members", "salt", "reason"),
    [
        ({}, SALT[1:], "bad-salt"),
        ({"salt": "x"}, SALT, "reserved-member"),
        ({"x": True}, SALT, "bad-private"),
        ({"x": "\x00"}, SALT, "bad-private"),
        ({"x": "x" * 600_000}, SALT, "private-too-large"),
    ],
)
def test_a_private_part_that_cannot_be_written_is_refused(
    members: Mapping[str, object], salt: bytes, reason: str
) -> None:
    with pytest.raises(RecordsError) as caught:
        build_private(members, salt=salt)

    assert caught.value.reason == reason


def test_entry_and_private_part_print_nothing_personal() -> None:
    entry = made.an_entry(private={"name": "花子"})

    assert "花子" not in repr(entry)
    assert "国保年金課" not in repr(parse_entry(entry.raw))


def test_inquiry_permit_and_token_share_exactly_the_terms() -> None:
    shared = Terms.__annotations__

    for shape in (Inquiry, PermitGranted, Permit):
        fields = {
            name: kind
            for base in shape.__mro__
            for name, kind in vars(base).get("__annotations__", {}).items()
        }
        assert {name: fields[name] for name in TERMS} == shared


def test_a_changed_term_is_named() -> None:
    inquiry = parse_entry(made.an_entry().raw).public
    permit = parse_entry(made.an_entry("permit").raw).public
    changed = made.an_entry(
        "permit", members={**made.PERMIT, "condition": {"kind": "latest"}, "department": "x"}
    )

    assert differing_terms(inquiry, permit) == ()
    other = parse_entry(changed.raw).public
    assert differing_terms(inquiry, other) == ("department", "condition")
    assert isinstance(other, PermitGranted)
    assert isinstance(other.condition, Latest)
    assert isinstance(inquiry, Inquiry)
    assert isinstance(inquiry.condition, OfYear)


def test_public_parts_are_canonical_json() -> None:
    entry = build_entry(
        kind="correction",
        members={"of": "3" * 64},
        private={},
        entry_id="0" * 32,
        time="2026-07-01T00:00:00.000Z",
        organisation="nagaoka",
        slot=3,
        salt=SALT,
    )

    assert entry.raw == canonical_json(
        {
            "v": 1,
            "kind": "correction",
            "of": "3" * 64,
            "id": "0" * 32,
            "time": "2026-07-01T00:00:00.000Z",
            "organisation": "nagaoka",
            "slot": 3,
            "private": private_commitment(entry.private_plaintext).hex(),
        }
    )
