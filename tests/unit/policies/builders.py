"""A small law by hand: every trap of the real one, few enough facts to see through."""

from datetime import date
from functools import lru_cache

from policies.allow_list import AllowList
from policies.facts import Facts
from policies.measures import Assessment
from policies.model import (
    Citation,
    ClassId,
    ClassRef,
    Consent,
    DeletedRow,
    Grant,
    LawText,
    Member,
    OrganClass,
    Phrase,
    Procedure,
    ProcedureCitation,
    ProcedureId,
    Question,
    Review,
    Scope,
    ScopeCitation,
    ScopeId,
    SubjectRole,
    Superseded,
    Term,
    TermId,
)

FIRST = date(2024, 5, 27)
BEFORE = date(2026, 6, 13)
CHANGE = date(2026, 6, 14)
DAY = date(2026, 7, 1)
SURE = Review(state="sure")

TAX = "TM00000000000002"
ACCOUNT = "TM00000000000089"


def an_allow_list(**changed: object) -> AllowList:
    return AllowList.build(some_facts(**changed), version=1, assessments=all_assessed())


def all_assessed() -> tuple[Assessment, ...]:
    return tuple(
        Assessment(organisation=name, file="1", side=side, covers=("*",), state="published")
        for name in ("nagaoka", "union", "digital")
        for side in ("receiving", "source")
    )


def a_question(**changed: object) -> Question:
    """The demo's first: the union asks 長岡市 under 115 / 第117条第6号ロ."""
    asked: dict[str, object] = {
        "on_day": DAY,
        "inquirer": classes("広域連合"),
        "provider": classes("市長"),
        "procedure": Citation(row_no="115", article="117", item="6", sub_item="ロ"),
        "information": "地方税関係情報",
    }
    return Question(**(asked | changed))  # type: ignore[arg-type]  # a builder's changes


def by_id(procedure: str) -> ProcedureId:
    return ProcedureId(procedure)


def classes(*names: str) -> frozenset[ClassId]:
    return frozenset(ClassId(f"C-{name}") for name in names)


def refs(*names: str) -> tuple[ClassRef, ...]:
    return tuple(ClassRef(class_id=ClassId(f"C-{name}")) for name in names)


def an_organ(name: str, kind: str = "closed", *members: str, **more: object) -> OrganClass:
    return OrganClass(
        id=ClassId(f"C-{name}"),
        ja=name,
        kind=kind,  # type: ignore[arg-type]  # a builder's word
        members=tuple(Member(id=f"C-{member}") for member in members),
        **more,  # type: ignore[arg-type]  # a builder's changes
    )


def a_grant(
    row_no: str, inquirers: str, providers: str, terms: str, from_: date = FIRST, **more: object
) -> Grant:
    return Grant(
        id=f"G-{row_no}-{providers}-{from_}",
        row_no=row_no,
        cell="1",
        inquirers=refs(*inquirers.split()),
        providers=refs(*providers.split()),
        terms=tuple(TermId(term) for term in terms.split()),
        from_=from_,
        text_digest="",
        **more,  # type: ignore[arg-type]  # a builder's changes
    )


def a_procedure(
    name: str, *citations: ProcedureCitation, from_: date = FIRST, **more: object
) -> Procedure:
    return Procedure(
        id=ProcedureId(name),
        label=name,
        citations=citations,
        from_=from_,
        **more,  # type: ignore[arg-type]  # a builder's changes
    )


def cited(
    row_no: str,
    article: str,
    item: str = "",
    paragraph: str = "1",
    *,
    from_: date = FIRST,
    to: date | None = None,
) -> ProcedureCitation:
    return ProcedureCitation(
        row_no=row_no, article=article, paragraph=paragraph, item=item, from_=from_, to=to
    )


def a_scope(
    procedure: str,
    sub_item: str,
    ja: str,
    term: str | None,
    *,
    from_: date = FIRST,
    to: date | None = None,
    item: str = "",
    **more: object,
) -> Scope:
    placed = ScopeCitation(item=item, sub_item=sub_item, from_=from_, to=to)
    stated: dict[str, object] = {
        "id": ScopeId(f"S-{procedure}-{item}{sub_item}-{ja}"),
        "procedure": ProcedureId(procedure),
        "ja": ja,
        "term": TermId(term) if term else None,
        "subject_roles": (SubjectRole.PERSON,),
        "citations": (placed,),
        "from_": from_,
        "to": to,
        "review": SURE if term else Review(state="unsure"),
    }
    return Scope(**(stated | more))  # type: ignore[arg-type]  # a builder's changes


@lru_cache(maxsize=1)
def _facts() -> Facts:
    return Facts(
        version="2026-06-14-test",
        data_from=FIRST,
        law_texts=(LawText(id="t1", effective_from=FIRST),),
        classes=_classes(),
        terms=_terms(),
        phrases=(
            Phrase(ja="道府県民税に関する情報", term=TermId(TAX)),
            Phrase(ja="市町村の民税に関する情報", term=TermId(TAX), means="市町村民税に関する情報"),
        ),
        grants=_grants(),
        deleted_rows=(DeletedRow(row_no="157", from_=date(2025, 10, 1)),),
        procedures=_procedures(),
        scopes=_scopes(),
        superseded=(
            Superseded(
                id="old-82-2",
                row_no="82",
                inquirers=refs("市町村長"),
                providers=refs("広域連合"),
                information=("高齢者の医療の確保に関する法律による保険料の徴収に関する情報",),
                until=date(2024, 5, 26),
            ),
        ),
    )


def some_facts(**changed: object) -> Facts:
    facts = _facts()
    return Facts(**({name: getattr(facts, name) for name in facts.__struct_fields__} | changed))


def _classes() -> tuple[OrganClass, ...]:
    return (
        an_organ("市町村長", "closed", "市長", "町村長", "特別区の区長"),
        an_organ("市長"),
        an_organ("町村長"),
        an_organ("特別区の区長"),
        an_organ(
            "福祉事務所を管理する町村長",
            "qualified",
            base=ClassId("C-町村長"),
            qualifier="福祉事務所",
        ),
        an_organ("都道府県知事"),
        an_organ(
            "都道府県知事等",
            "union",
            "都道府県知事",
            "市長",
            "特別区の区長",
            "福祉事務所を管理する町村長",
        ),
        an_organ("広島市長", "named", base=ClassId("C-市長")),
        an_organ("広域連合", aliases=("後期高齢者医療広域連合",)),
        an_organ("医療保険者", "union", "市町村長", "協会"),
        an_organ("協会", aliases=("全国健康保険協会",)),
        an_organ("内閣総理大臣"),
        an_organ("出入国在留管理庁長官"),
        an_organ("法務大臣"),
        an_organ("国土交通大臣"),
        an_organ("厚生労働大臣"),
        an_organ("国共連", aliases=("国家公務員共済組合連合会",)),
        an_organ("私学事業団"),
        an_organ("共済組合等", "union", "国共連", "私学事業団"),
        an_organ("他の給付を行う者", "open"),
        an_organ("年金を行う者", "open", "厚生労働大臣"),
    )


def _terms() -> tuple[Term, ...]:
    return (
        Term(id=TermId(TAX), ja="地方税関係情報"),
        Term(id=TermId(ACCOUNT), ja="公的給付支給等口座登録簿関係情報"),
        Term(id=TermId("T-medical"), ja="医療保険給付関係情報"),
        Term(id=TermId("T-resident"), ja="住民票関係情報"),
        Term(id=TermId("T-border"), ja="出入国関係情報"),
        Term(id=TermId("T-family"), ja="戸籍関係情報"),
        Term(id=TermId("T-other"), ja="他法令給付関係情報"),
        Term(id=TermId("T-pension"), ja="年金給付関係情報", aliases=("年金の情報",)),
    )


def _grants() -> tuple[Grant, ...]:
    return (
        a_grant("115", "広域連合", "医療保険者 広域連合", "T-medical"),
        a_grant("115", "広域連合", "市町村長", f"{TAX} T-resident"),
        a_grant("115", "広域連合", "出入国在留管理庁長官", "T-border", CHANGE),
        a_grant("116", "広域連合", "他の給付を行う者", "T-other"),
        a_grant("116", "広域連合", "年金を行う者", "T-pension"),
        a_grant("116", "広域連合", "内閣総理大臣", ACCOUNT),
        a_grant("117", "市町村長", "内閣総理大臣", ACCOUNT),
        a_grant("58", "厚生労働大臣 共済組合等", "出入国在留管理庁長官", "T-border", CHANGE),
        a_grant("58", "厚生労働大臣 共済組合等", "市町村長", f"{TAX} T-resident"),
        a_grant("42", "都道府県知事等", "市町村長", TAX),
        a_grant("42", "都道府県知事等", "法務大臣", "T-family", review=Review(state="unsure")),
        a_grant("55の3", "国土交通大臣", "法務大臣", "T-family", date(2026, 6, 1), to=BEFORE),
        a_grant("55の3", "出入国在留管理庁長官", "医療保険者", "T-medical", CHANGE),
        a_grant("157", "都道府県知事", "法務大臣", "T-family", to=date(2025, 9, 30)),
        a_grant("14の2", "市町村長", "法務大臣", "T-family", CHANGE),
        a_grant("18", "市町村長", "法務大臣", "T-family", to=date(2025, 3, 31)),
    )


def _procedures() -> tuple[Procedure, ...]:
    return (
        a_procedure(
            "P-fee",
            cited("115", "117", "5", to=BEFORE),
            cited("115", "117", "6", from_=CHANGE),
        ),
        a_procedure(
            "P-joining",
            cited("115", "117", "7", to=BEFORE),
            cited("115", "117", "8", from_=CHANGE),
        ),
        a_procedure(
            "P-meals",
            cited("115", "117", "8", to=BEFORE),
            cited("115", "117", "9", from_=CHANGE),
            consent=Consent(state="required"),
        ),
        a_procedure(
            "P-card", cited("115", "117", "13", to=date(2024, 12, 1)), to=date(2024, 12, 1)
        ),
        a_procedure("P-benefit", cited("116", "118")),
        a_procedure("P-refund", cited("117", "119"), consent=Consent(state="required")),
        *(
            a_procedure(
                f"P-pension-{paragraph}",
                cited("58", "60", "2", str(paragraph)),
                inquirer_limit=refs(limit),
            )
            for paragraph, limit in ((1, "厚生労働大臣"), (2, "国共連"), (3, "私学事業団"))
        ),
        a_procedure(
            "P-aid", cited("42", "44", "1"), consent=Consent(state="not-required", ground="x")
        ),
        a_procedure("P-unread", cited("42", "44", "2")),
        a_procedure(
            "P-ship", cited("55の3", "57の3", from_=date(2026, 6, 1), to=BEFORE), to=BEFORE
        ),
        a_procedure("P-stay", cited("55の3", "57の3", from_=CHANGE), from_=CHANGE),
        a_procedure("P-exam", cited("157", "159", to=date(2025, 9, 30)), to=date(2025, 9, 30)),
        a_procedure("P-new", cited("14の2", "14の2", from_=CHANGE), from_=CHANGE),
        a_procedure("P-old", cited("18", "20", to=date(2025, 3, 31)), to=date(2025, 3, 31)),
    )


def _scopes() -> tuple[Scope, ...]:
    both = (SubjectRole.PERSON, SubjectRole.HOUSEHOLD)
    tax = "市町村民税に関する情報"
    return (
        a_scope("P-fee", "イ", "医療保険被保険者等資格に関する情報", "T-medical"),
        a_scope("P-fee", "ロ", tax, TAX, subject_roles=both),
        a_scope("P-fee", "ハ", "住民票に記載された住民票関係情報", "T-resident"),
        a_scope("P-joining", "", "医療保険被保険者等資格に関する情報", "T-medical", to=BEFORE),
        a_scope("P-joining", "イ", "医療保険被保険者等資格に関する情報", "T-medical", from_=CHANGE),
        a_scope("P-joining", "ロ", "出入国関係情報", "T-border", from_=CHANGE),
        a_scope("P-meals", "", tax, TAX),
        a_scope("P-card", "", tax, TAX, to=date(2024, 12, 1)),
        a_scope("P-benefit", "", "他法令給付関係情報", "T-other", item="1"),
        a_scope("P-benefit", "", "年金給付関係情報", "T-pension", item="2"),
        a_scope("P-benefit", "", "公的給付支給等口座登録簿関係情報", ACCOUNT, item="3"),
        a_scope("P-refund", "", "公的給付支給等口座登録簿関係情報", ACCOUNT),
        *(
            found
            for paragraph in (1, 2, 3)
            for found in (
                a_scope(f"P-pension-{paragraph}", "イ", "出入国関係情報", "T-border", from_=CHANGE),
                a_scope(f"P-pension-{paragraph}", "ロ", tax, TAX),
            )
        ),
        a_scope("P-aid", "イ", tax, TAX, items=("XTK0000010000002",)),
        a_scope("P-aid", "ロ", "固定資産税に関する情報", TAX),
        a_scope("P-aid", "ハ", "戸籍関係情報", "T-family"),
        a_scope("P-unread", "イ", "当該申請に係る情報", None),
        a_scope("P-unread", "ロ", tax, TAX, review=Review(state="unsure")),
        a_scope("P-unread", "ハ", "固定資産税に関する情報", TAX),
        a_scope("P-ship", "", "戸籍関係情報", "T-family", from_=date(2026, 6, 1), to=BEFORE),
        a_scope("P-stay", "", "医療保険被保険者等資格に関する情報", "T-medical", from_=CHANGE),
        a_scope("P-exam", "", "戸籍関係情報", "T-family", to=date(2025, 9, 30)),
        a_scope("P-new", "", "戸籍関係情報", "T-family", from_=CHANGE),
        a_scope("P-old", "", "戸籍関係情報", "T-family", to=date(2025, 3, 31)),
    )
