"""What logs and witnesses say to each other has one spelling, and its limits hold."""

from collections.abc import Callable

import pytest
from tlog_scales import signing
from tlog_scales.tlog import Checkpoint as OtherCheckpoint

from gateway.records import note as notes
from gateway.records import witness
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint
from gateway.records.proof_files import read_witness_request, write_witness_request
from tests.unit.records import made

ORIGIN = "testnet/nagaoka/log/3"
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
TIME = 1_782_907_200
NAME = notes.witness_name("testnet", "gunma-union")


@pytest.fixture(scope="module")
def signed() -> str:
    return notes.sign_checkpoint(CHECKPOINT, made.a_signer(), time=TIME)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(RecordsError) as caught:
        call()
    return caught.value.reason


def test_the_longest_request_fits_the_limit(signed: str) -> None:
    longest = write_witness_request(old_size=2**63 - 1, proof=(bytes(32),) * 63, note=signed)

    assert read_witness_request(longest).note.text() == signed
    room = witness.REQUEST_BYTES_MAX - len(longest.encode())
    assert room == notes.NOTE_BYTES_MAX - len(signed.encode())


def test_an_origin_says_whose_stream_it_is() -> None:
    assert witness.parse_origin(ORIGIN) == ("testnet", "nagaoka", 3)


@pytest.mark.parametrize(
    "origin",
    [
        "testnet/nagaoka/log/03",
        "testnet/nagaoka/log/",
        "testnet/nagaoka/log/10000",
        "testnet/nagaoka/witness",
        "testnet/Nagaoka/log/1",
        "testnet/nagaoka/log/1/",
        "/nagaoka/log/1",
        "testnet/nagaoka/log/1\n",
    ],
)
def test_what_is_no_origin_of_ours_is_nobodys(origin: str) -> None:
    assert reason(lambda: witness.parse_origin(origin)) == "unknown-origin"


def a_line(name: str = NAME, label: str = "witness", time: int = TIME) -> notes.SignatureLine:
    return notes.cosign(CHECKPOINT, made.a_witness(label), name=name, time=time)


def test_the_named_witness_is_found_among_the_lines_of_an_answer() -> None:
    own, other = a_line(), a_line("testnet/other/witness", "other")
    answered = witness.parse_answer(witness.answer_text(other) + witness.answer_text(own))

    line, time = witness.verify_answer(answered, CHECKPOINT, name=NAME, key=made.a_witness().public)
    assert (line, time) == (own, TIME)


def test_another_implementation_verifies_the_line(signed: str) -> None:
    cosigned = signed + witness.answer_text(a_line())

    OtherCheckpoint.from_text(cosigned).verify(
        signing.Vkey(NAME, None, 6, made.a_witness().public.mldsa44)
    )


def verified(*lines: notes.SignatureLine, checkpoint: Checkpoint = CHECKPOINT) -> object:
    return witness.verify_answer(lines, checkpoint, name=NAME, key=made.a_witness().public)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((a_line("testnet/other/witness"),), "log-line-missing"),
        ((a_line(label="other"),), "log-line-missing"),
        ((a_line(), a_line()), "log-line-twice"),
    ],
)
def test_a_line_of_another_name_or_key_is_not_the_witness(
    lines: tuple[notes.SignatureLine, ...], why: str
) -> None:
    assert reason(lambda: verified(*lines)) == why


def test_a_line_over_another_tree_is_not_counted() -> None:
    other = Checkpoint(ORIGIN, 7, bytes(32))

    assert reason(lambda: verified(a_line(), checkpoint=other)) == "bad-signature"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "bad-line"),
        ("\n", "bad-line"),
        ("— a AAAAAAA=", "bad-line"),
        ("— a AAAAAAA=\n" * 17, "line-count"),
        ("old 3\n", "bad-line"),
    ],
)
def test_an_answer_is_one_to_sixteen_signature_lines(text: str, why: str) -> None:
    assert reason(lambda: witness.parse_answer(text)) == why


def test_a_conflict_tells_a_size() -> None:
    assert witness.size_text(witness.Holds(41)) == "41\n"
    assert witness.parse_size_text("41\n") == witness.Holds(41)
    assert len(witness.size_text(witness.Holds(2**63 - 1))) == witness.SIZE_BYTES_MAX


@pytest.mark.parametrize("text", ["", "41", "041\n", "x\n", "41\n\n", " 41\n"])
def test_a_conflict_of_any_other_spelling_tells_nothing(text: str) -> None:
    assert reason(lambda: witness.parse_size_text(text)) == "bad-size"
