"""Who plays in the demonstration: four organisations, their bodies, and what each rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from certs.network_spec import NetworkSpec, OrganisationSpec
from certs.organisations import Body, BodyClass
from policies.allow_list import AllowList
from policies.facts import load_shipped
from policies.measures import EVERYTHING, Assessment

NETWORK: Final = "sekisho-demo"
LAW_DAY: Final = date(2026, 7, 1)
FIRST_DAY: Final = date(2024, 5, 27)

CORE: Final = "core"
RESIDENT_NETWORK: Final = "resident-network"
NAGAOKA: Final = "nagaoka"
GUNMA_UNION: Final = "gunma-union"
DIGITAL_AGENCY: Final = "digital-agency"
IMMIGRATION: Final = "immigration"

NAGAOKA_MAYOR: Final = "XB15202000000001"
NAGAOKA_EDUCATION_BOARD: Final = "XB15202000000002"
UNION_HEAD: Final = "XB00000000000010"
PRIME_MINISTER: Final = "1419900000002200"
IMMIGRATION_HEAD: Final = "XB00000000000020"

CORE_WITNESSES: Final = 3
GATEWAYS: Final = (NAGAOKA, GUNMA_UNION, DIGITAL_AGENCY, IMMIGRATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """One organisation of the demonstration."""

    name: str
    title: str
    bodies: tuple[Body, ...]


def _body(code: str, name: str, class_id: str, fact: str) -> Body:
    return Body(
        body_code=code,
        name=name,
        classes=(BodyClass(class_id=class_id, from_=FIRST_DAY, to=None, fact=fact),),
        delegated_by=None,
    )


PLAYERS: Final = (
    Player(
        name=NAGAOKA,
        title="長岡市",
        bodies=(
            _body(NAGAOKA_MAYOR, "長岡市長", "city-mayor", "地方自治法の市"),
            _body(
                NAGAOKA_EDUCATION_BOARD,
                "長岡市教育委員会",
                "municipal-education-board",
                "地方自治法の市の教育委員会",
            ),
        ),
    ),
    Player(
        name=GUNMA_UNION,
        title="群馬県後期高齢者医療広域連合",
        bodies=(
            _body(
                UNION_HEAD,
                "群馬県後期高齢者医療広域連合長",
                "late-elderly-union",
                "高齢者の医療の確保に関する法律第48条の広域連合",
            ),
        ),
    ),
    Player(
        name=DIGITAL_AGENCY,
        title="デジタル庁",
        bodies=(_body(PRIME_MINISTER, "内閣総理大臣", "prime-minister", "内閣法"),),
    ),
    Player(
        name=IMMIGRATION,
        title="出入国在留管理庁",
        bodies=(
            _body(
                IMMIGRATION_HEAD,
                "出入国在留管理庁長官",
                "immigration-agency-head",
                "法務省設置法第28条",
            ),
        ),
    ),
)


def municipality(number: int) -> Player:
    """Return one more city beside those of the story, for runs with many providers."""
    name = f"city-{number}"
    body = _body(city_mayor(name), f"第{number}市長", "city-mayor", "地方自治法の市")
    return Player(name=name, title=f"第{number}市", bodies=(body,))


def city_mayor(name: str) -> str:
    """Return the body code of a city's mayor by the organisation's name."""
    return NAGAOKA_MAYOR if name == NAGAOKA else f"XB{int(name.rpartition('-')[2]):05d}000000009"


def network_spec(
    ports: Mapping[str, int],
    *,
    environment: str = "demo",
    law_day: date | None = LAW_DAY,
    more: Sequence[Player] = (),
    witnessing: Sequence[str] = (),
) -> NetworkSpec:
    """Return the network of the demonstration; `ports` are the network listeners' by name.

    The gateways `witnessing` have witnesses and are witnesses, as the core then does and is;
    without any nobody has.
    """
    witnesses = _witnesses(witnessing)
    played = tuple(
        OrganisationSpec(
            name=player.name,
            role="gateway",
            endpoint=f"https://127.0.0.1:{ports[player.name]}",
            title=player.title,
            bodies=player.bodies,
            witnesses=witnesses.get(player.name, ()),
        )
        for player in (*PLAYERS, *more)
    )
    return NetworkSpec(
        network=NETWORK,
        environment=environment,
        law_day=law_day,
        organisations=(
            OrganisationSpec(
                name=CORE,
                role=CORE,
                endpoint=f"https://127.0.0.1:{ports[CORE]}",
                title="情報提供ネットワークシステム",
                witnesses=witnesses.get(CORE, ()),
            ),
            OrganisationSpec(
                name=RESIDENT_NETWORK,
                role=RESIDENT_NETWORK,
                endpoint=f"https://127.0.0.1:{ports[RESIDENT_NETWORK]}",
                title="住基ネット（代役）",
            ),
            *played,
        ),
    )


def _witnesses(gateways: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return who witnesses whom (PROTOCOL §5): the core and the next gateway; for the core three.

    Of three, one may be away.
    """
    named = {CORE: tuple(gateways[:CORE_WITNESSES])}
    for place, name in enumerate(gateways):
        following = gateways[(place + 1) % len(gateways)]
        named[name] = (CORE, following) if following != name else (CORE,)
    return named


def allow_list(*, version: int = 1, more: Sequence[Player] = ()) -> AllowList:
    """Return the real table with the assessments of the demonstration's organisations."""
    facts = load_shipped()
    assessments = [
        part
        for name in (*GATEWAYS, *(player.name for player in more))
        for part in (
            Assessment(
                organisation=name,
                file="照会結果ファイル",
                side="receiving",
                covers=(EVERYTHING,),
                state="published",
            ),
            Assessment(
                organisation=name,
                file="副本ファイル",
                side="source",
                covers=(EVERYTHING,),
                state="published",
            ),
        )
    ]
    return AllowList.build(facts, version=version, assessments=assessments)
