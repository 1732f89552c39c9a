"""To whom information belongs, from the words that describe people."""

import pytest

from policies.importer.people import roles_of
from tests.unit.policies.importer.builders import reviewed


@pytest.mark.parametrize(
    ("description", "roles"),
    [
        ("", []),
        ("当該申請を行う者", ["person"]),
        ("要保護者等", ["person"]),
        ("当該保険料を課せられる者又は当該者と同一の世帯に属する者", ["person", "household"]),
        ("当該届出に係る被扶養者及び当該届出を行う者", ["person", "dependant"]),
        (
            "当該申請に係る障害児の保護者又は当該保護者と同一の世帯に属する者",
            ["household", "parent"],
        ),
        ("措置児童又は当該措置児童と同一の世帯に属する児童を監護又は養育する者", ["parent"]),
        ("当該申請を行う者又は当該者の配偶者", ["person", "spouse"]),
        (
            "納税義務者又は当該納税義務者の同一生計配偶者若しくは扶養親族",
            ["person", "spouse", "dependant"],
        ),
        ("被災者又はその保護者", ["person", "parent"]),
        ("当該支給に係る死亡者及びその遺族", ["survivor", "deceased"]),
        ("当該請求に係る一般受給資格者又はその者と生計を一にする子", ["person", "child"]),
        ("当該事業の実施に係る出産後一年を経過しない女子及び乳児", ["person", "child"]),
        ("措置入院者（甲を除く。）又は当該措置入院者の扶養義務者", ["person", "supporter"]),
        ("当該申請を行う者又は当該者の保証人", ["person", "other"]),
        (
            "児童福祉法第二十七条第一項第三号及び第二項の措置に係る児童と同一の世帯に属する者",
            ["household"],
        ),
        ("当該支給を受ける教育・保育給付認定保護者", ["person"]),
    ],
)
def test_roles_come_from_the_last_word(description: str, roles: list[str]) -> None:
    assert [role.value for role in roles_of(description, reviewed().roles)] == roles


def test_a_description_of_clauses_only_is_still_somebodys() -> None:
    assert roles_of("甲第一項", reviewed().roles) == ("person",)
