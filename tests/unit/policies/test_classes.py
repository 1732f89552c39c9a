"""Which classes a body is in: inclusion, stated facts, dates, delegation, open lists."""

from datetime import date

from policies.classes import ClassBook, plain
from policies.model import Body, BodyClass, ClassId
from tests.unit.policies.builders import DAY, FIRST, an_organ, classes, some_facts

BOOK = ClassBook.build(some_facts().classes)


def a_body(code: str = "B1", *stated: BodyClass, delegated_by: str | None = None) -> Body:
    return Body(
        body_code=code, organisation="o", name="n", classes=stated, delegated_by=delegated_by
    )


def states(name: str, *, from_: date = FIRST, to: date | None = None, fact: str = "f") -> BodyClass:
    return BodyClass(class_id=ClassId(f"C-{name}"), from_=from_, to=to, fact=fact)


def test_a_city_mayor_is_a_municipal_mayor_and_an_insurer() -> None:
    assert BOOK.expand(classes("市長")) == classes(
        "市長", "市町村長", "都道府県知事等", "医療保険者"
    )


def test_a_village_mayor_joins_the_welfare_class_only_by_its_office() -> None:
    assert classes("都道府県知事等").isdisjoint(BOOK.expand(classes("町村長")))
    assert BOOK.expand(classes("福祉事務所を管理する町村長")) >= classes("都道府県知事等", "町村長")


def test_a_ward_mayor_is_a_municipal_mayor() -> None:
    assert BOOK.expand(classes("特別区の区長")) >= classes("市町村長")


def test_a_named_mayor_is_a_city_mayor_and_no_other_is_named() -> None:
    assert BOOK.expand(classes("広島市長")) >= classes("市長", "市町村長")
    assert classes("広島市長").isdisjoint(BOOK.expand(classes("市長")))


def test_a_stated_fact_holds_in_every_wider_class() -> None:
    held = BOOK.expand([ClassId("C-市長+事業主体")])

    assert {ClassId("C-市町村長+事業主体"), ClassId("C-市町村長")} <= held
    assert ClassId("C-市町村長+事業主体") not in BOOK.expand(classes("市長"))
    assert BOOK.name(ClassId("C-市長+事業主体")) == "市長（事業主体）"


def test_an_unknown_class_counts_for_nothing() -> None:
    assert BOOK.expand([ClassId("C-none"), ClassId("C-none+fact")]) == frozenset()
    assert BOOK.name(ClassId("C-none")) == "C-none"
    assert BOOK.find("none") is None
    assert not BOOK.is_empty_open(ClassId("C-none"))


def test_a_class_is_found_by_id_word_or_alias_however_wide_it_is_written() -> None:
    assert BOOK.find("後期高齢者医療広域連合") == BOOK.find("C-広域連合") == "C-広域連合"
    assert BOOK.find("「市 町 村 長」") == "C-市町村長"
    assert plain("ＡＢ　Ｃ") == "ABC"


def test_a_body_holds_its_classes_on_their_days_only_and_never_without_a_fact() -> None:
    body = a_body("B1", states("市長", to=DAY), states("広域連合", fact=""))

    assert BOOK.of_body(body, DAY) == BOOK.expand(classes("市長"))
    assert BOOK.of_body(body, date(2026, 7, 2)) == frozenset()


def test_an_open_class_is_held_by_being_listed_never_by_saying_so() -> None:
    listed = ClassBook.build([an_organ("市長"), an_organ("給付", "open", "B9")])
    # A member of an open class may be a body code; the builder prefixes it.
    by_code = a_body("C-B9", states("市長"))

    assert listed.of_body(by_code, DAY) == classes("市長", "給付")
    assert listed.of_body(a_body("B1", states("給付")), DAY) == frozenset()
    assert listed.of_stated(["給付", "市長", "無", "C-市長+x"], body_code=None) == frozenset(
        {ClassId("C-市長"), ClassId("C-市長+x")}
    )


def test_a_delegated_body_acts_in_its_delegators_classes_and_no_others() -> None:
    mayor = a_body("M", states("市長"), states("広域連合"))
    bodies = {"M": mayor}

    plain_board = a_body("B", delegated_by="M")
    assert BOOK.of_body(plain_board, DAY, bodies=bodies) == BOOK.of_body(mayor, DAY)
    some = a_body("B", states("市長"), states("内閣総理大臣"), delegated_by="M")
    assert BOOK.of_body(some, DAY, bodies=bodies) == BOOK.expand(classes("市長"))
    ended = a_body("B", states("市長", to=FIRST), delegated_by="M")
    assert BOOK.of_body(ended, DAY, bodies=bodies) == frozenset()


def test_delegation_goes_one_step_and_needs_its_delegator() -> None:
    bodies = {"M": a_body("M", states("市長"), delegated_by="X"), "X": a_body("X", states("市長"))}

    assert BOOK.of_body(a_body("B", delegated_by="M"), DAY, bodies=bodies) == frozenset()
    assert BOOK.of_body(a_body("B", delegated_by="none"), DAY, bodies=bodies) == frozenset()
    assert BOOK.of_body(a_body("B", delegated_by="M"), DAY) == frozenset()
