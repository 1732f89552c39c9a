"""What a back-office system is registered for, and the reason it hears where it is not."""

from dataclasses import replace

import pytest

from gateway.domain.client import ANY, OutsideRegistrationError, Registration

TAX = "TM00000000000002"
LEVY = "XP11701050240527"
REGISTERED = Registration(
    client_id="zeimu",
    system="zeimu",
    procedures=frozenset({LEVY}),
    information=frozenset({TAX}),
    departments=frozenset({"1000"}),
    may_ask=True,
    may_supply=True,
)


def ask(registration: Registration, **changed: str) -> None:
    asked = {"procedure": LEVY, "term": TAX, "department": "1000"} | changed
    registration.admit_inquiry(**asked)


def test_what_is_registered_is_admitted() -> None:
    ask(REGISTERED)
    REGISTERED.admit_supply(term=TAX)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"procedure": "XP11701070240527"}, "procedure"),
        ({"term": "TM00000000000003"}, "information"),
        ({"department": "2000"}, "department"),
    ],
)
def test_what_is_not_registered_is_refused_by_name(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(OutsideRegistrationError) as refused:
        ask(REGISTERED, **changed)

    assert refused.value.reason == reason


def test_any_stands_for_all_of_its_kind_and_for_no_other() -> None:
    ask(replace(REGISTERED, procedures=frozenset({ANY})), procedure="XP11701070240527")
    with pytest.raises(OutsideRegistrationError) as refused:
        ask(replace(REGISTERED, procedures=frozenset({ANY})), department="2000")

    assert refused.value.reason == "department"


def test_who_only_supplies_does_not_ask_and_who_only_asks_does_not_supply() -> None:
    with pytest.raises(OutsideRegistrationError) as asking:
        ask(replace(REGISTERED, may_ask=False))
    with pytest.raises(OutsideRegistrationError) as supplying:
        replace(REGISTERED, may_supply=False).admit_supply(term=TAX)
    with pytest.raises(OutsideRegistrationError) as other:
        REGISTERED.admit_supply(term="TM00000000000003")

    assert asking.value.reason == "does-not-ask"
    assert supplying.value.reason == "does-not-supply"
    assert other.value.reason == "information"
