"""The numbers people and bodies carry, with the check digits the law gives them.

My Numbers and resident-record codes exist here for the registry's side and the stand-in of
the resident network only; gateway and core never hold the first. Numbers of people print masked.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from codes.errors import MalformedError

_CORPORATE_MODULUS: Final = 9
_ELEVEN: Final = 11


@dataclass(frozen=True, slots=True, repr=False)
class PersonalNumber:
    """A number that points at one person: digits in `text`, masked wherever it is printed."""

    text: str

    _FORM: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    _WHAT: ClassVar[str] = "personal-number"

    def __post_init__(self) -> None:
        if not self._FORM.fullmatch(self.text):
            raise MalformedError(self._WHAT, f"{len(self.text)} characters")
        self._check()

    def _check(self) -> None:
        """Raise `MalformedError` where the check digit does not fit; most kinds have none."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the number, or raise `MalformedError` without repeating the text."""
        return cls(text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(masked)"

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True, slots=True, repr=False)
class MyNumber(PersonalNumber):
    """個人番号: 12 digits, the last a check digit (平成26年総務省令第85号 5条)."""

    _FORM: ClassVar[re.Pattern[str]] = re.compile(r"\d{12}", re.ASCII)
    _WHAT: ClassVar[str] = "my-number"

    def _check(self) -> None:
        if self.text[-1] != my_number_check_digit(self.text[:-1]):
            raise MalformedError("my-number-check-digit")


@dataclass(frozen=True, slots=True, repr=False)
class UnifiedNumber(PersonalNumber):
    """団体内統合宛名番号: one person inside one organisation, 1 to 15 digits, zeros kept."""

    _FORM: ClassVar[re.Pattern[str]] = re.compile(r"\d{1,15}", re.ASCII)
    _WHAT: ClassVar[str] = "unified-number"


@dataclass(frozen=True, slots=True, repr=False)
class ResidentCode(PersonalNumber):
    """住民票コード: 11 digits. Its check digit is not public, so it is not checked."""

    _FORM: ClassVar[re.Pattern[str]] = re.compile(r"\d{11}", re.ASCII)
    _WHAT: ClassVar[str] = "resident-code"


@dataclass(frozen=True, slots=True, repr=False)
class AcquisitionNumber(PersonalNumber):
    """取得番号: the one-time number of one code acquisition, 128 random bits in hex."""

    _FORM: ClassVar[re.Pattern[str]] = re.compile(r"[0-9a-f]{32}", re.ASCII)
    _WHAT: ClassVar[str] = "acquisition-number"


@dataclass(frozen=True, slots=True)
class MunicipalityCode:
    """全国地方公共団体コード: 6 digits, the last a check digit (長岡市 152021)."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{6}", self.text, re.ASCII):
            raise MalformedError("municipality-code", f"{len(self.text)} characters")
        if self.text[-1] != municipality_check_digit(self.text[:-1]):
            raise MalformedError("municipality-code-check-digit")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the code, or raise `MalformedError`."""
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class CorporateNumber:
    """法人番号: 13 digits, the *first* a check digit from 1 to 9 (平成26年財務省令第70号 2条)."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d{12}", self.text, re.ASCII):
            raise MalformedError("corporate-number", f"{len(self.text)} characters")
        if self.text[0] != corporate_check_digit(self.text[1:]):
            raise MalformedError("corporate-number-check-digit")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the number, or raise `MalformedError`."""
        return cls(text)

    def __str__(self) -> str:
        return self.text


def my_number_check_digit(digits: str) -> str:
    """Return the twelfth digit for the first eleven (平成26年総務省令第85号 5条).

    Counted from the right, the nth digit weighs n + 1 up to the sixth and n − 5 beyond.
    """
    _require_digits(digits, 11, "my-number")
    weights = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)
    rest = sum(int(d) * w for d, w in zip(reversed(digits), weights, strict=True)) % _ELEVEN
    return "0" if rest <= 1 else str(_ELEVEN - rest)


def municipality_check_digit(digits: str) -> str:
    """Return the sixth digit for the first five: the ones of 11 − (Σ weight · digit mod 11)."""
    _require_digits(digits, 5, "municipality-code")
    weights = (6, 5, 4, 3, 2)
    rest = sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % _ELEVEN
    return str((_ELEVEN - rest) % 10)


def corporate_check_digit(digits: str) -> str:
    """Return the leading digit for the twelve that follow: 9 − (Σ weight · digit mod 9).

    Counted from the right, odd places weigh 1 and even places 2.
    """
    _require_digits(digits, 12, "corporate-number")
    total = sum(int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits)))
    return str(_CORPORATE_MODULUS - total % _CORPORATE_MODULUS)


def _require_digits(digits: str, count: int, what: str) -> None:
    if len(digits) != count or not (digits.isascii() and digits.isdigit()):
        raise MalformedError(what, f"expected {count} digits before the check digit")
