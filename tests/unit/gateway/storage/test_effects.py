"""Effects are checked and ordered before they queue; their kinds are nobody else's."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from gateway.storage.effects import EFFECT_BYTES_MAX, Effect, UnstorableError, encode_effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Effect):
    KIND: ClassVar[str] = "unit_late"
    ORDER: ClassVar[int] = 90
    name: str
    raw: bytes = b""
    at: datetime | None = None

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Early(Effect):
    KIND: ClassVar[str] = "unit_early"
    ORDER: ClassVar[int] = 10
    name: str

    @property
    def key(self) -> str:
        return self.name

    def to_json(self) -> object:
        return {"named": self.name}


def test_effects_run_by_order_then_kind_then_key() -> None:
    effects = [Late(name="b"), Late(name="a"), Early(name="z")]

    assert [effect.key for effect in encode_effects(effects)] == ["z", "a", "b"]


def test_a_row_is_the_effect_s_own_fields_with_bytes_in_base64() -> None:
    effect = Late(name="x", raw=b"\xff\xfe", at=datetime(2026, 7, 1, tzinfo=UTC))

    (encoded,) = encode_effects([effect])

    assert json.loads(encoded.row) == {"name": "x", "raw": "//4=", "at": "2026-07-01T00:00:00Z"}


def test_an_effect_may_say_itself_what_its_row_is() -> None:
    (encoded,) = encode_effects([Early(name="x")])

    assert json.loads(encoded.row) == {"named": "x"}


@pytest.mark.parametrize("text", ["\0", "a\0", "\ud800"])
def test_text_that_postgresql_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(UnstorableError):
        encode_effects([Late(name=text)])


def test_a_backslash_before_u0000_is_only_text() -> None:
    (encoded,) = encode_effects([Late(name="\\u0000")])

    assert json.loads(encoded.row)["name"] == "\\u0000"


def test_the_effects_of_an_entry_have_a_limit() -> None:
    with pytest.raises(UnstorableError, match="at most"):
        encode_effects([Late(name="a", raw=bytes(EFFECT_BYTES_MAX))])


def test_two_classes_never_share_a_kind() -> None:
    with pytest.raises(TypeError, match="unit_late belongs to"):

        class Other(Effect):
            KIND: ClassVar[str] = "unit_late"


@pytest.mark.parametrize("kind", ["", "Upper", "with-dash", "a" * 49, "1st"])
def test_a_kind_is_part_of_a_function_s_name(kind: str) -> None:
    with pytest.raises(TypeError, match="KIND must be"):
        type("Bad", (Effect,), {"KIND": kind})
