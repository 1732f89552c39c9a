import contextlib
import threading
from datetime import UTC, datetime, timedelta
from time import perf_counter
from urllib.parse import parse_qs, urlparse

import pytest

from certs.errors import KeyMaterialError, PasswordError
from certs.passwords import (
    Totp,
    TotpAlgorithm,
    hash_password,
    needs_rehash,
    verify_password,
)

PASSWORD = "関所の手形を改める"[:9] + "-2026"
STORED = hash_password(PASSWORD)
NOW = datetime(2026, 7, 1, 12, 0, 10, tzinfo=UTC)
SECRET_SHA1 = b"12345678901234567890"
SECRET_SHA256 = b"12345678901234567890123456789012"


def reason_of_wrong(password: str, stored: str | None) -> str:
    with pytest.raises(PasswordError) as refused:
        verify_password(password, stored)
    return refused.value.reason


def test_the_right_password_passes_and_another_does_not() -> None:
    verify_password(PASSWORD, STORED)

    assert reason_of_wrong(PASSWORD + "x", STORED) == "wrong-password"
    assert reason_of_wrong("", STORED) == "wrong-password"
    assert reason_of_wrong("x" * 257, STORED) == "wrong-password"


def test_a_password_typed_in_another_form_of_the_same_letters_passes() -> None:
    verify_password("パスワードを忘れない１２", hash_password("ﾊﾟｽﾜｰﾄﾞを忘れない12"))


def test_a_stored_password_tells_its_parameters_and_nothing_else() -> None:
    assert STORED.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hash_password(PASSWORD) != STORED
    assert PASSWORD not in STORED


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("x" * 11, "password-too-short"),
        ("", "password-too-short"),
        ("x" * 257, "password-too-long"),
    ],
    ids=["11 characters", "none", "257 characters"],
)
def test_a_password_out_of_bounds_is_not_taken(password: str, reason: str) -> None:
    with pytest.raises(PasswordError) as refused:
        hash_password(password)

    assert refused.value.reason == reason


def test_the_shortest_and_the_longest_password_are_taken() -> None:
    for password in ("x" * 12, "x" * 256):
        verify_password(password, hash_password(password))


def test_somebody_who_does_not_exist_is_refused_for_the_same_reason_and_the_same_work() -> None:
    start = perf_counter()
    assert reason_of_wrong(PASSWORD + "x", STORED) == "wrong-password"
    known = perf_counter() - start
    start = perf_counter()
    assert reason_of_wrong(PASSWORD, None) == "wrong-password"
    unknown = perf_counter() - start

    # Skipping the work would be a thousand times faster; a busy machine never is.
    assert unknown > known / 10


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        STORED.replace("m=65536", "m=9999999"),
        STORED.replace("t=3", "t=300"),
        STORED.replace("argon2id", "argon2i"),
        STORED + "\n",
    ],
    ids=["empty", "plain", "memory", "passes", "kind", "newline"],
)
def test_a_stored_string_that_is_not_ours_is_not_worked_on(stored: str) -> None:
    assert reason_of_wrong(PASSWORD, stored) == "stored-password-malformed"


def test_a_string_of_other_parameters_is_to_be_made_anew() -> None:
    assert not needs_rehash(STORED)
    assert needs_rehash(STORED.replace("t=3", "t=2"))


@pytest.mark.parametrize(
    ("algorithm", "secret", "seconds", "code"),
    [
        (TotpAlgorithm.SHA1, SECRET_SHA1, 59, "287082"),
        (TotpAlgorithm.SHA1, SECRET_SHA1, 1111111109, "081804"),
        (TotpAlgorithm.SHA1, SECRET_SHA1, 20000000000, "353130"),
        (TotpAlgorithm.SHA256, SECRET_SHA256, 59, "119246"),
        (TotpAlgorithm.SHA256, SECRET_SHA256, 1111111109, "084774"),
        (TotpAlgorithm.SHA256, SECRET_SHA256, 20000000000, "737706"),
    ],
)
def test_codes_are_those_of_rfc_6238(
    algorithm: TotpAlgorithm, secret: bytes, seconds: int, code: str
) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    totp = Totp(secret, algorithm)

    assert totp.code(now) == code
    assert totp.verify(code, now=now) == seconds // 30


def test_a_clock_may_differ_by_one_step_and_the_step_is_told() -> None:
    totp = Totp(SECRET_SHA1)
    step = int(NOW.timestamp()) // 30

    for steps in (-1, 0, 1):
        moved = NOW + timedelta(seconds=30 * steps)
        assert totp.verify(totp.code(moved), now=NOW) == step + steps
    for steps in (-2, 2):
        with pytest.raises(PasswordError) as refused:
            totp.verify(totp.code(NOW + timedelta(seconds=30 * steps)), now=NOW)
        assert refused.value.reason == "wrong-one-time-password"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\ud800" * 6])
def test_anything_but_the_right_digits_is_refused(code: str) -> None:
    with pytest.raises(PasswordError) as refused:
        Totp(SECRET_SHA1).verify(code, now=NOW)

    assert refused.value.reason == "wrong-one-time-password"


def test_a_new_factor_goes_into_an_authenticator_and_back() -> None:
    for algorithm in TotpAlgorithm:
        totp = Totp.generate(algorithm)
        uri = urlparse(totp.uri(account="hanako", issuer="Sekisho 長岡市"))
        query = parse_qs(uri.query)

        assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
        assert query["algorithm"] == [algorithm.value]
        assert (query["digits"], query["period"]) == (["6"], ["30"])
        again = Totp.from_base32(query["secret"][0].lower(), algorithm)
        assert again.secret == totp.secret == Totp.from_base32(totp.base32(), algorithm).secret
    assert Totp.generate().secret != Totp.generate().secret


def test_a_secret_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(KeyMaterialError) as malformed:
        Totp.from_base32("no secret 1")
    with pytest.raises(KeyMaterialError) as short:
        Totp(b"x" * 16)

    assert malformed.value.reason == "totp-secret-malformed"
    assert short.value.reason == "totp-secret-length"


def test_a_second_factor_prints_masked() -> None:
    assert repr(Totp(SECRET_SHA1)) == "Totp(SHA1, masked)"


def test_passwords_worked_out_at_once_all_come_to_an_end() -> None:
    """Two derivations at once share OpenSSL's threads, and would wait for each other for ever."""
    tries = [threading.Thread(target=_try, daemon=True) for _ in range(4)]

    for one in tries:
        one.start()
    for one in tries:
        one.join(timeout=30)

    assert not any(one.is_alive() for one in tries)


def _try() -> None:
    with contextlib.suppress(PasswordError):
        verify_password("not the password", None)
