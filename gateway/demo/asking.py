"""Questions of the story, as back-office systems put them through the SDK."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from certs.terms import Latest
from codes.tables import shipped
from gateway.client import BackofficeClient, RefusedByRuleError
from gateway.demo import cast
from gateway.demo.residents import Resident
from gateway.demo.story import Scene
from gateway.wire.backoffice import CitationGiven, ConsentGiven, Inquiry, NewInquiry

WAIT_S: Final = 20
DEPARTMENT: Final = "1000"
PERSON: Final = "person"
REFUSED: Final = "refused"
PROVIDED: Final = "provided"
WITHHELD: Final = "withheld"
TAX_GROUND: Final = "高齢者の医療の確保に関する法律第138条"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Who asks whom for what, on which ground; either a citation or a procedure id."""

    inquirer: str
    inquirer_body: str
    inquirer_title: str
    provider_body: str
    provider_title: str
    information: str
    ground: str
    citation: CitationGiven | None = None
    procedure: str | None = None
    consent: ConsentGiven | None = None

    def of(self, person: Resident) -> NewInquiry:
        """Return the inquiry about a person."""
        return NewInquiry(
            unified_number=person.unified(self.inquirer).text,
            inquirer_body=self.inquirer_body,
            provider_body=self.provider_body,
            department=DEPARTMENT,
            information=self.information,
            subject_role=PERSON,
            procedure=self.procedure,
            citation=self.citation,
            condition=Latest(),
            consent=self.consent,
        )

    def tell(self, scene: Scene, person: Resident) -> None:
        """Tell who asks whom for what."""
        scene.tell("who", f"{self.inquirer_title} → {self.provider_title}")
        scene.tell("what", f"{self.information} ({person.name})")
        scene.tell("ground", self.ground)


async def ask(
    client: BackofficeClient, asked: Ask, person: Resident, scene: Scene
) -> Inquiry | None:
    """Ask, wait for the end, and tell what came out; none where the gateway refused at once."""
    asked.tell(scene, person)
    try:
        inquiry = await client.ask(asked.of(person), wait_s=WAIT_S)
    except RefusedByRuleError as error:
        scene.came_out(REFUSED, error.reason)
        return None
    scene.came_out(inquiry.state, inquiry.reason)
    return inquiry


def tell_answer(scene: Scene, inquiry: Inquiry, law_day: date) -> None:
    """Tell what the answer says, by the names of its items."""
    if inquiry.result is None:
        return
    items = shipped().items
    for record in inquiry.result.records:
        for code, value in record.items.items():
            scene.tell(f"  {items.find(code, law_day).name}", _shown(value))


def _shown(value: str | int | Mapping[str, str]) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else f"({value.get('reason_of_null')})"


UNION_ASKS_CITY_TAX: Final = Ask(
    inquirer=cast.GUNMA_UNION,
    inquirer_body=cast.UNION_HEAD,
    inquirer_title="群馬県後期高齢者医療広域連合",
    provider_body=cast.NAGAOKA_MAYOR,
    provider_title="長岡市（長岡市長）",
    information="地方税関係情報",
    ground="115の項 第117条第6号ロ（保険料の賦課）",
    citation=CitationGiven(row="115", article="117", item="6", sub_item="ロ"),
    consent=ConsentGiven(ground=TAX_GROUND),
)
UNION_ASKS_PREFECTURE_TAX: Final = replace(
    UNION_ASKS_CITY_TAX, information="道府県民税に関する情報"
)
CITY_ASKS_ACCOUNT: Final = Ask(
    inquirer=cast.NAGAOKA,
    inquirer_body=cast.NAGAOKA_MAYOR,
    inquirer_title="長岡市（長岡市長）",
    provider_body=cast.PRIME_MINISTER,
    provider_title="デジタル庁（内閣総理大臣）",
    information="公的給付支給等口座登録簿関係情報",
    ground="117の項 第119条（保険料の還付）",
    citation=CitationGiven(row="117", article="119"),
)
CITY_ASKS_PRIME_MINISTER_TAX: Final = replace(
    CITY_ASKS_ACCOUNT,
    information="地方税関係情報",
    consent=ConsentGiven(ground=TAX_GROUND),
)
CITY_ASKS_UNION_LEVY: Final = replace(
    CITY_ASKS_ACCOUNT,
    provider_body=cast.UNION_HEAD,
    provider_title="群馬県後期高齢者医療広域連合",
    information="高齢者の医療の確保に関する法律による保険料の徴収に関する情報",
)
UNION_ASKS_BORDER: Final = Ask(
    inquirer=cast.GUNMA_UNION,
    inquirer_body=cast.UNION_HEAD,
    inquirer_title="群馬県後期高齢者医療広域連合",
    provider_body=cast.IMMIGRATION_HEAD,
    provider_title="出入国在留管理庁（出入国在留管理庁長官）",
    information="出入国関係情報",
    ground="115の項 第117条第8号ロ（6月13日までは第7号）、手続番号で照会",
    procedure="XP11701070240527",
)
