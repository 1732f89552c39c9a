"""A back-office system over its own listener: real certificates, real tokens, the SDK."""

import pytest

from gateway.client import BackofficeClient, RefusedByRuleError
from gateway.demo import cast
from gateway.wire.backoffice import CitationGiven, ConsentGiven, NewInquiry
from tests.e2e.clients import a_client
from tests.e2e.parties import Network
from tests.e2e.people import People

TAX = "TM00000000000002"


def an_inquiry(number: str, **changed: object) -> NewInquiry:
    members: dict[str, object] = {
        "unified_number": number,
        "inquirer_body": cast.UNION_HEAD,
        "provider_body": cast.NAGAOKA_MAYOR,
        "department": "3595115400",
        "information": "地方税関係情報",
        "subject_role": "person",
        "citation": CitationGiven(row="115", article="117", item="6", sub_item="ロ"),
        "consent": ConsentGiven(ground="高齢者の医療の確保に関する法律第138条"),
        "staff": "S001",
    }
    return NewInquiry(**(members | changed))  # type: ignore[arg-type]  # as above


async def test_an_inquiry_over_http_brings_its_answer_back(
    network: Network, people: People
) -> None:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    credentials = await a_client(network, cast.GUNMA_UNION, "kouki")

    async with BackofficeClient(credentials) as gateway:
        answered = await gateway.ask(an_inquiry(number.text), wait_s=20)
        await gateway.acknowledge(answered.id)
        kept = await gateway.inquiry(answered.id)

    assert answered.state == "provided"
    assert answered.result is not None
    assert answered.result.records[0].items == {"XTK0000010000003": 3500}
    assert kept.result is None


async def test_a_refusal_brings_what_is_permitted_nearest(network: Network) -> None:
    credentials = await a_client(network, cast.GUNMA_UNION, "hokenryo")
    inquiry = an_inquiry("1", information="道府県民税に関する情報")

    async with BackofficeClient(credentials) as gateway:
        with pytest.raises(RefusedByRuleError) as refused:
            await gateway.ask(inquiry)

    assert refused.value.reason == "information-not-in-procedure"
    assert refused.value.problem.nearest[0].information == "地方税関係情報"
