"""Codes as the core delivers them: what does not fit its request is not linked."""

import secrets
from datetime import timedelta

import pytest

from certs.sealing import SALT_BYTES, MessageSealer, pack_code
from codes.network_code import NetworkCode
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.errors import SekishoError
from gateway.flows.acquire_codes import AcquireCodes, Acquired
from gateway.flows.context import Context
from gateway.flows.sealed import key_to_wire, sealed_to_wire
from gateway.flows.take_codes import TakeCodes
from gateway.storage import code_acquisitions
from gateway.wire.codes import CodeDelivered, CodeDeliveriesRequest
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION


@pytest.fixture
def context(network: Network) -> Context:
    return network.gateway(cast.NAGAOKA).context


async def begun(context: Context) -> tuple[UnifiedNumber, str]:
    number = UnifiedNumber.parse(f"{secrets.randbelow(10**15):015d}")
    (acquired,) = await AcquireCodes(context).begin([number], REGISTRATION)
    assert isinstance(acquired, Acquired)
    assert acquired.request_id is not None
    return number, acquired.request_id


def delivery(
    context: Context,
    request_id: str,
    *,
    bound_to: str | None = None,
    sender: str = cast.CORE,
    purpose: str = "code-delivery",
    plaintext: bytes | None = None,
) -> CodeDeliveriesRequest:
    """Return what the core would send; anybody can seal, only the core gets in."""
    sealer = MessageSealer.start(
        purpose,
        network=cast.NETWORK,
        sender=sender,
        recipient=cast.NAGAOKA,
        public_key=context.trust.sealing_public_key(cast.NAGAOKA),
    )
    code = pack_code(secrets.token_bytes(SALT_BYTES), secrets.token_bytes(32))
    sealed = sealer.seal(
        code if plaintext is None else plaintext,
        inquiry_leaf=bytes.fromhex(bound_to or request_id),
        permit_id=None,
    )
    item = CodeDelivered(
        request_id=request_id, state="acquired", code=sealed_to_wire(sealed, key=0)
    )
    return CodeDeliveriesRequest(keys=[key_to_wire(sealer.header)], items=[item])


async def taken(context: Context, request: CodeDeliveriesRequest) -> list[str]:
    results = await TakeCodes(context).take(cast.CORE, request)
    return [one.problem if isinstance(one, SekishoError) else "taken" for one in results]


async def standing(context: Context, number: UnifiedNumber) -> str:
    (state,) = await AcquireCodes(context).standings([number])
    return state


async def test_a_code_that_fits_its_request_is_linked_once(context: Context) -> None:
    number, request_id = await begun(context)
    request = delivery(context, request_id)

    results = [await taken(context, request) for _ in range(2)]
    async with context.database.read() as connection:
        stored = await connection.fetchval(
            "SELECT code FROM network_codes WHERE subject = $1", context.vault.subject(number)
        )

    assert results == [["taken"], ["taken"]]
    assert await standing(context, number) == "linked"
    assert isinstance(context.vault.code(stored), NetworkCode)


@pytest.mark.parametrize(
    "changed",
    [
        {"bound_to": "0" * 32},
        {"sender": cast.GUNMA_UNION},
        {"purpose": "notice"},
        {"plaintext": b"too short"},
    ],
)
async def test_a_code_that_does_not_fit_is_not_linked(
    context: Context, changed: dict[str, str]
) -> None:
    number, request_id = await begun(context)

    results = await taken(context, delivery(context, request_id, **changed))  # type: ignore[arg-type]  # texts and bytes

    assert results == ["sealed-invalid"]
    assert await standing(context, number) == "requested"


async def test_an_acquired_code_without_the_code_is_refused(context: Context) -> None:
    _, request_id = await begun(context)
    request = CodeDeliveriesRequest(
        keys=[], items=[CodeDelivered(request_id=request_id, state="acquired")]
    )

    assert await taken(context, request) == ["sealed-invalid"]


async def test_a_delivery_for_no_request_of_ours_is_told_to_stop(context: Context) -> None:
    assert await taken(context, delivery(context, "f" * 32)) == ["lapsed"]


async def test_a_code_of_somebody_else_already_ends_the_acquisition(context: Context) -> None:
    first, first_id = await begun(context)
    second, second_id = await begun(context)
    plaintext = pack_code(secrets.token_bytes(SALT_BYTES), secrets.token_bytes(32))

    results = [
        await taken(context, delivery(context, request_id, plaintext=plaintext))
        for request_id in (first_id, second_id)
    ]

    assert results == [["taken"], ["taken"]]
    assert [await standing(context, one) for one in (first, second)] == [
        "linked",
        "already-acquired",
    ]


async def test_an_acquisition_past_its_time_lapses_and_can_begin_anew(context: Context) -> None:
    number, request_id = await begun(context)
    async with context.database.read() as connection:
        await connection.execute(
            "UPDATE code_acquisitions SET requested_at = requested_at - $2::interval"
            " WHERE request_id = $1",
            request_id,
            timedelta(days=8),
        )

    await AcquireCodes(context).end_stale()
    async with context.database.read() as connection:
        row = (await code_acquisitions.find(connection, [request_id]))[request_id]
    late = await taken(context, delivery(context, request_id))
    (again,) = await AcquireCodes(context).begin([number], REGISTRATION)

    assert (row.state, row.acquisition_box) == ("lapsed", None)
    assert late == ["lapsed"]
    assert isinstance(again, Acquired)
    assert again.request_id != request_id
