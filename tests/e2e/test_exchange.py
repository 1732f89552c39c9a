"""One exchange through every floor: back office, inquirer, core, provider, and back."""

from certs.terms import Latest
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.client import ANY, Registration
from gateway.domain.inquiry import InquiryState
from gateway.flows.inquire import InquiryOrder
from gateway.flows.lawful import Asked
from gateway.flows.open_inquiry import Wording
from policies.citations import parse_citation
from policies.gates import ConsentStatement
from tests.e2e.parties import Network
from tests.e2e.people import People

TAX = "TM00000000000002"
REGISTRATION = Registration(
    client_id="tests",
    system="tests",
    procedures=frozenset({ANY}),
    information=frozenset({ANY}),
    departments=frozenset({ANY}),
    may_ask=True,
    may_supply=True,
)


def an_order(number: UnifiedNumber) -> InquiryOrder:
    return InquiryOrder(
        unified_number=number,
        staff="S001",
        asked=Asked(
            inquirer_body=cast.UNION_HEAD,
            provider_body=cast.NAGAOKA_MAYOR,
            procedure=parse_citation("第117条第6号ロ", row_no="115"),
            information="地方税関係情報",
            subject_role="person",
            legal_basis="act19-8",
            consent=ConsentStatement(ground="高齢者の医療の確保に関する法律第138条"),
        ),
        wording=Wording(department="3595115400", non_disclosure=False, condition=Latest()),
    )


async def test_an_inquiry_brings_the_narrowed_answer_back(network: Network, people: People) -> None:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await people.put_replica(
        cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500, "XTK0000010000004": 12000}
    )
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    view = await inquire.find(inquiry_id, REGISTRATION)

    assert (view.row.state, view.row.reason) == (InquiryState.PROVIDED, None)
    assert view.result is not None
    assert view.result["records"][0]["items"] == {  # type: ignore[index]
        "XTK0000010000003": 3500,
        "XTK0000010000004": 12000,
    }
