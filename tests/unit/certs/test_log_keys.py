"""Log and witness keys: what verifies, what does not, and what prints."""

import pytest

from certs.errors import KeyMaterialError, SignatureError
from certs.log_keys import LogPublicKeys, LogSigner, WitnessKey, WitnessPublicKey

SIGNER = LogSigner.from_bytes(bytes(range(64)))
WITNESS = WitnessKey.from_bytes(bytes(range(32)))


def test_both_halves_verify_what_they_signed() -> None:
    SIGNER.public.verify_ed25519(SIGNER.sign_ed25519(b"note"), b"note")
    SIGNER.public.verify_mldsa44(SIGNER.sign_mldsa44(b"note"), b"note")


def test_signatures_have_the_sizes_the_note_format_counts_on() -> None:
    assert len(SIGNER.sign_ed25519(b"note")) == 64
    assert len(SIGNER.sign_mldsa44(b"note")) == 2420


def test_another_message_is_refused_by_each_half() -> None:
    with pytest.raises(SignatureError, match="ed25519") as ed25519:
        SIGNER.public.verify_ed25519(SIGNER.sign_ed25519(b"note"), b"mote")
    with pytest.raises(SignatureError, match="ml-dsa-44") as mldsa44:
        SIGNER.public.verify_mldsa44(SIGNER.sign_mldsa44(b"note"), b"mote")

    assert {ed25519.value.reason, mldsa44.value.reason} == {"log-signature-invalid"}


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 2420, b"\0" * 5000])
def test_a_signature_of_any_length_that_the_key_did_not_make_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        SIGNER.public.verify_ed25519(signature, b"note")
    with pytest.raises(SignatureError):
        SIGNER.public.verify_mldsa44(signature, b"note")
    with pytest.raises(SignatureError):
        WITNESS.public.verify_mldsa44(signature, b"note")


def test_stored_keys_come_back_as_the_same_keys() -> None:
    signer = LogSigner.generate()
    witness = WitnessKey.generate()

    assert LogSigner.from_bytes(signer.to_bytes()).public == signer.public
    assert WitnessKey.from_bytes(witness.to_bytes()).public == witness.public


def test_a_witness_verifies_its_cosignature_and_no_other() -> None:
    WITNESS.public.verify_mldsa44(WITNESS.sign_mldsa44(b"note"), b"note")
    with pytest.raises(SignatureError):
        SIGNER.public.verify_mldsa44(WITNESS.sign_mldsa44(b"note"), b"note")


@pytest.mark.parametrize("raw", [b"", bytes(63), bytes(65)])
def test_stored_bytes_of_another_length_are_no_key(raw: bytes) -> None:
    with pytest.raises(KeyMaterialError) as pair:
        LogSigner.from_bytes(raw)
    with pytest.raises(KeyMaterialError) as witness:
        WitnessKey.from_bytes(raw)

    assert {pair.value.reason, witness.value.reason} == {"key-malformed"}


def test_public_bytes_of_another_length_are_no_key() -> None:
    with pytest.raises(KeyMaterialError):
        LogPublicKeys(ed25519=bytes(31), mldsa44=SIGNER.public.mldsa44)
    with pytest.raises(KeyMaterialError):
        LogPublicKeys(ed25519=SIGNER.public.ed25519, mldsa44=bytes(1311))
    with pytest.raises(KeyMaterialError):
        WitnessPublicKey(mldsa44=bytes(1313))


def test_private_keys_print_masked() -> None:
    assert repr(SIGNER) == "LogSigner(***)"
    assert repr(WITNESS) == "WitnessKey(***)"
