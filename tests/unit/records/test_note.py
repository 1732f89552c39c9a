"""Checkpoint notes: written in one way, believed with both log lines only."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from tlog_scales import signing
from tlog_scales.tlog import Checkpoint as OtherCheckpoint

from gateway.records import note as notes
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint
from tests.unit.records import made

ORIGIN = "testnet/nagaoka/log/3"
CHECKPOINT = Checkpoint(ORIGIN, 70_000, bytes(range(32)))
TIME = 1_782_907_200
WITNESS = notes.witness_name("testnet", "gunma-union")
PUBLIC = made.a_signer().public


@pytest.fixture(scope="module")
def signed() -> str:
    return notes.sign_checkpoint(CHECKPOINT, made.a_signer(), time=TIME)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(RecordsError) as caught:
        call()
    return caught.value.reason


def verify(text: str, origin: str = ORIGIN) -> notes.VerifiedCheckpoint:
    return notes.verify_checkpoint(text, origin=origin, keys=PUBLIC)


def test_origins_and_names_are_those_of_the_protocol() -> None:
    assert notes.log_origin("testnet", "nagaoka", 3) == ORIGIN
    assert WITNESS == "testnet/gunma-union/witness"


def test_a_signed_checkpoint_verifies_and_comes_back_byte_for_byte(signed: str) -> None:
    verified = verify(signed)

    assert verified.checkpoint == CHECKPOINT
    assert verified.time == TIME
    assert verified.keys == (PUBLIC.ed25519, PUBLIC.mldsa44)
    parsed = notes.parse_note(signed)
    assert parsed.text() == signed
    assert notes.claimed_time(parsed) == TIME
    assert [line.name for line in parsed.lines] == [ORIGIN, ORIGIN]
    assert signed.startswith(f"{ORIGIN}\n70000\n{b64encode(bytes(range(32))).decode()}\n\n\u2014 ")


def test_another_implementation_accepts_both_lines(signed: str) -> None:
    checkpoint = OtherCheckpoint.from_text(signed)

    for signature_type, public in ((1, PUBLIC.ed25519), (6, PUBLIC.mldsa44)):
        checkpoint.verify(signing.Vkey(ORIGIN, None, signature_type, public))


def test_we_accept_both_lines_of_another_implementation() -> None:
    signer = made.a_signer()
    seed = signer.to_bytes()
    signers: list[signing.CheckpointSigner] = [
        signing.PlainEd25519Signer(ORIGIN, seed[:32]),
        signing.MLDSA44CosignatureSigner(ORIGIN, seed[32:]),
    ]
    foreign = OtherCheckpoint.make_signed(ORIGIN, 9, bytes(32), signers).serialize()

    assert verify(foreign).checkpoint == Checkpoint(ORIGIN, 9, bytes(32))


@pytest.mark.parametrize("stripped", [0, 1])
def test_a_note_without_either_log_line_is_refused(signed: str, stripped: int) -> None:
    parsed = notes.parse_note(signed)
    rest = tuple(line for place, line in enumerate(parsed.lines) if place != stripped)

    text = notes.Note(parsed.checkpoint, rest).text()

    assert reason(lambda: verify(text)) == "log-line-missing"


def test_a_note_of_another_origin_key_or_root_is_refused(signed: str) -> None:
    other = made.a_signer("other").public

    assert reason(lambda: verify(signed, "testnet/nagaoka/log/4")) == "wrong-origin"
    assert (
        reason(lambda: notes.verify_checkpoint(signed, origin=ORIGIN, keys=other))
        == "log-line-missing"
    )
    assert reason(lambda: verify(signed.replace("\n70000\n", "\n70001\n"))) == "bad-signature"


def test_a_line_twice_is_refused_even_if_both_are_good(signed: str) -> None:
    lines = signed.split("\n")

    assert reason(lambda: verify(signed + lines[4] + "\n")) == "log-line-twice"
    assert reason(lambda: verify(signed + lines[5] + "\n")) == "log-line-twice"
    twice = notes.parse_note(signed + lines[5] + "\n")
    assert reason(lambda: notes.claimed_time(twice)) == "log-line-twice"


def test_a_changed_signature_or_time_is_refused(signed: str) -> None:
    parsed = notes.parse_note(signed)
    plain, timed = parsed.lines
    changes = [
        (plain.signature[:-1] + bytes([plain.signature[-1] ^ 1]), timed.signature),
        (plain.signature[:-1], timed.signature),
        (plain.signature + b"x", timed.signature),
        (plain.signature, timed.signature[:-1] + bytes([timed.signature[-1] ^ 1])),
        (plain.signature, timed.signature[:-1]),
        (plain.signature, timed.signature + b"x"),
        (plain.signature, (TIME + 1).to_bytes(8, "big") + timed.signature[8:]),
    ]
    for first, second in changes:
        lines = (
            notes.SignatureLine(ORIGIN, plain.key_id, first),
            notes.SignatureLine(ORIGIN, timed.key_id, second),
        )
        text = notes.Note(parsed.checkpoint, lines).text()
        with pytest.raises(RecordsError, match="bad-signature"):
            verify(text)


@pytest.mark.parametrize("time", [0, 2**63])
def test_a_time_of_zero_or_beyond_the_format_is_refused(signed: str, time: int) -> None:
    plain, timed = notes.parse_note(signed).lines
    stamped = notes.SignatureLine(
        ORIGIN, timed.key_id, time.to_bytes(8, "big") + timed.signature[8:]
    )
    text = notes.Note(CHECKPOINT, (plain, stamped)).text()

    assert reason(lambda: verify(text)) == "bad-time"
    assert reason(lambda: notes.claimed_time(notes.parse_note(text))) == "bad-time"
    assert (
        reason(lambda: notes.sign_checkpoint(CHECKPOINT, made.a_signer(), time=time)) == "bad-time"
    )


def test_other_lines_are_tolerated_if_well_formed(signed: str) -> None:
    stranger = notes.SignatureLine("example.com/w", b"abcd", b"x").text()

    assert verify(f"{signed}{stranger}\n").checkpoint == CHECKPOINT
    assert reason(lambda: verify(f"{signed}{stranger}=\n")) == "bad-line"


SPELLINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "no last line feed": (lambda text: text[:-1], "bad-note"),
    "a blank line after": (lambda text: text + "\n", "bad-line"),
    "an extension line": (lambda text: text.replace("\n\n", "\nextension\n\n"), "bad-note"),
    "no blank line": (lambda text: text.replace("\n\n", "\n"), "bad-note"),
    "carriage returns": (lambda text: text.replace("\n", "\r\n"), "bad-note"),
    "a leading zero": (lambda text: text.replace("70000", "070000"), "bad-size"),
    "a sign": (lambda text: text.replace("70000", "+70000"), "bad-size"),
    "another digit": (lambda text: text.replace("70000", "٧"), "bad-size"),
    "too large a size": (lambda text: text.replace("70000", "9223372036854775808"), "bad-size"),
    "no size": (lambda text: text.replace("70000", ""), "bad-size"),
    "unpadded base64": (lambda text: text.replace("AAEC", "AAE", 1), "bad-root"),
    "a letter that is not base64": (lambda text: text.replace("AAEC", "AAE\u00e9", 1), "bad-root"),
    "padding inside": (lambda text: text.replace("BgcI", "Bgc=", 1), "bad-root"),
    "spare bits": (lambda text: text.replace("Hh8=", "Hh9=", 1), "bad-root"),
    "a shorter root": (lambda text: text.replace("AAECAwQF", "AwQF", 1), "bad-root"),
    "a hyphen for the dash": (lambda text: text.replace("\u2014 ", "- "), "bad-line"),
    "two blanks": (lambda text: text.replace("\u2014 ", "\u2014  ", 1), "bad-line"),
    "another line feed": (lambda text: "\x85" + text, "bad-name"),
    "a blank in the origin": (lambda text: text.replace("testnet", "test net"), "bad-name"),
    "a plus in the origin": (lambda text: text.replace("testnet", "test+net"), "bad-name"),
    "a long origin": (lambda text: text.replace("testnet/", "t" * 256), "bad-name"),
    "an empty signature": (lambda text: text + "\u2014 x AAAAAA==\n", "bad-line"),
    "no signature": (lambda text: text + "\u2014 x\n", "bad-line"),
    "a blank in base64": (lambda text: text + "\u2014 x AAAA AAA=\n", "bad-line"),
    "too many bytes": (lambda text: text + "x" * 70_000, "note-too-large"),
    "nothing": (lambda _text: "", "bad-note"),
    "half a pair": (lambda text: text + "\ud800\n", "bad-line"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_there_is_one_way_to_write_a_note(signed: str, spelling: str) -> None:
    change, expected = SPELLINGS[spelling]
    changed = change(signed)
    assert changed != signed

    assert reason(lambda: verify(changed)) == expected


def test_the_limit_counts_bytes(signed: str) -> None:
    dashes = "\u2014" * (notes.NOTE_BYTES_MAX // 3)

    assert len(signed + dashes) < notes.NOTE_BYTES_MAX
    assert reason(lambda: verify(signed + dashes)) == "note-too-large"


def test_the_largest_values_are_still_a_note() -> None:
    for checkpoint in (
        Checkpoint("x" * 255, 2**63 - 1, bytes(32)),
        Checkpoint("x", 0, bytes(32)),
    ):
        for time in (1, 2**63 - 1):
            text = notes.sign_checkpoint(checkpoint, made.a_signer(), time=time)
            verified = verify(text, checkpoint.origin)
            assert (verified.checkpoint, verified.time) == (checkpoint, time)


def test_a_note_of_exactly_64_kib_is_read(signed: str) -> None:
    line = "\u2014 x "
    room = notes.NOTE_BYTES_MAX - len(f"{signed}{line}\n".encode())
    fill = room // 4 * 4
    name = "x" * (1 + room - fill)
    full = f"{signed}\u2014 {name} {'A' * fill}\n"

    assert len(full.encode()) == notes.NOTE_BYTES_MAX
    assert verify(full).checkpoint == CHECKPOINT
    larger = f"{signed}\u2014 {name}x {'A' * fill}\n"
    assert reason(lambda: verify(larger)) == "note-too-large"


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        (Checkpoint("two words", 1, bytes(32)), "bad-name"),
        (Checkpoint("", 1, bytes(32)), "bad-name"),
        (Checkpoint("x" * 256, 1, bytes(32)), "bad-name"),
        (Checkpoint(ORIGIN, -1, bytes(32)), "bad-size"),
        (Checkpoint(ORIGIN, 2**63, bytes(32)), "bad-size"),
        (Checkpoint(ORIGIN, 1, bytes(31)), "bad-root"),
    ],
)
def test_nothing_malformed_is_signed(checkpoint: Checkpoint, expected: str) -> None:
    assert reason(lambda: notes.sign_checkpoint(checkpoint, made.a_signer(), time=TIME)) == expected


def test_a_witness_signs_the_checkpoint_under_its_own_name(signed: str) -> None:
    line = notes.cosign(CHECKPOINT, made.a_witness(), name=WITNESS, time=TIME + 5)
    parsed = notes.parse_note(f"{signed}{line.text()}\n")
    public = made.a_witness().public

    assert notes.verify_cosignature(parsed, name=WITNESS, key=public) == TIME + 5
    assert notes.cosignature_time(parsed, WITNESS) == TIME + 5
    assert notes.parse_line(line.text()) == line
    assert verify(parsed.text()).time == TIME
    OtherCheckpoint.from_text(parsed.text()).verify(signing.Vkey(WITNESS, None, 6, public.mldsa44))
    assert (
        reason(lambda: notes.verify_cosignature(parsed, name="other", key=public))
        == "log-line-missing"
    )
    assert reason(lambda: notes.cosignature_time(parsed, "other")) == "log-line-missing"
    assert (
        reason(lambda: notes.cosign(CHECKPOINT, made.a_witness(), name="a b", time=TIME))
        == "bad-name"
    )


def test_a_cosignature_is_bound_to_its_name(signed: str) -> None:
    line = notes.cosign(CHECKPOINT, made.a_witness(), name=WITNESS, time=TIME)
    public = made.a_witness().public
    other = "testnet/x/witness"
    renamed = notes.SignatureLine(other, notes.key_id(other, 6, public.mldsa44), line.signature)
    parsed = notes.parse_note(f"{signed}{renamed.text()}\n")

    assert (
        reason(lambda: notes.verify_cosignature(parsed, name=other, key=public)) == "bad-signature"
    )


def test_the_lines_of_the_log_alone_are_kept(signed: str) -> None:
    line = notes.cosign(CHECKPOINT, made.a_witness(), name=WITNESS, time=TIME)
    foreign = notes.cosign(CHECKPOINT, made.a_witness(), name=ORIGIN, time=TIME)
    crowded = notes.parse_note(f"{signed}{line.text()}\n{foreign.text()}\n")

    assert notes.with_log_lines(crowded, PUBLIC).text() == signed
