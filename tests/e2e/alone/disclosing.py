"""The core asking a gateway by hand what a person may see, and what staff would show."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from certs.sealing import SALT_BYTES, MessageSealer, pack_code, unpack_answer
from codes.network_code import NetworkCode
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import new_id
from gateway.flows.sealed import Openers, key_to_wire, sealed_to_wire
from gateway.storage.records import PAGE_ENTRIES_MAX
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.disclosures import (
    DisclosedPage,
    DisclosuresAnswer,
    DisclosuresRequest,
    DisclosureWanted,
)
from tests.e2e.alone.offices import CORE, Office

PATH = "/v1/disclosures"
PURPOSE = "disclosure"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The core, asking one gateway by hand."""

    core: Context
    gateway: str

    def request(
        self,
        *codes: NetworkCode,
        recipient: str | None = None,
        purpose: str = PURPOSE,
        request_id: str | None = None,
        bound_to: str | None = None,
        **period: str,
    ) -> DisclosuresRequest:
        recipient = recipient or self.gateway
        sealer = MessageSealer.start(
            purpose,
            network=cast.NETWORK,
            sender=CORE,
            recipient=recipient,
            public_key=self.core.trust.sealing_public_key(recipient),
        )
        items = []
        for code in codes:
            own_id = request_id or new_id()
            sealed = sealer.seal(
                pack_code(secrets.token_bytes(SALT_BYTES), code.raw),
                inquiry_leaf=bytes.fromhex(bound_to or own_id),
                permit_id=None,
            )
            item = DisclosureWanted(request_id=own_id, code=sealed_to_wire(sealed, key=0), **period)
            items.append(item)
        return DisclosuresRequest(keys=[key_to_wire(sealer.header)], items=items)

    async def post(self, request: DisclosuresRequest) -> DisclosuresAnswer:
        return await self.core.peers.post(self.gateway, PATH, request, DisclosuresAnswer)

    def opened(
        self,
        answer: DisclosuresAnswer,
        place: int = 0,
        *,
        purpose: str = PURPOSE,
        bound_to: str | None = None,
    ) -> bytes:
        given = answer.results[place].result
        assert given is not None, answer.results[place].problem
        openers = Openers(self.core.trust, answer.keys, sender=self.gateway, purpose=purpose)
        binding = bytes.fromhex(bound_to or given.request_id)
        return openers.open(given.page, binding=binding, permit_id=None)

    async def page(self, code: NetworkCode, **period: str) -> DisclosedPage:
        answer = await self.post(self.request(code, **period))
        return decode_json(unpack_answer(self.opened(answer))[1], DisclosedPage)

    async def problem(self, request: DisclosuresRequest) -> str:
        (result,) = (await self.post(request)).results
        assert result.problem is not None
        return result.problem.type


def members(page: DisclosedPage) -> list[Row]:
    return [plain(one) for one in page.exchanges]


def plain(one: object) -> Row:
    return json.loads(encode_json(one))  # type: ignore[no-any-return]  # an object


async def staffs(office: Office, number: UnifiedNumber, **period: str) -> Row:
    answer = await office.officer.post(
        "/v1/records:disclose", {"unified_number": number.text, **period}
    )
    assert answer.status == 200, answer.body
    return answer.body


async def looked_at(context: Context) -> list[OpenedEntry]:
    """Everything that is on record of the disclosure system's asking, newest first."""
    reader = RecordReader(
        database=context.database,
        organisation=context.trust.organisation,
        keys=context.vault.keys,
    )
    found = await reader.search(Search(kinds=("records-read",)), limit=PAGE_ENTRIES_MAX)
    return [one for one in found if (one.private or {}).get("what") == "disclosure-system"]
