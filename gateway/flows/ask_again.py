"""The law changed between us and the core: decide again and ask once more (PROTOCOL §3, order).

The refusal gets its receipt and the inquiry a new entry, in one commit: the inquiry is never
without an entry that it rests on, and never rests on two.
"""

import secrets
from typing import Final

from codes.canonical import b64
from gateway.errors import UnavailableError
from gateway.flows.context import Context
from gateway.flows.lawful import RefusedByLawError, asked_by, decide_asked
from gateway.flows.open_inquiry import Details, NewInquiry, OpenInquiry, asked_again
from gateway.flows.permit_lane import RefusedByCore
from gateway.flows.receipts import Receipts
from gateway.flows.record_types import EffectRefusedError, Recorded, StaleDecisionError

DECISIONS_MAX: Final = 5
SALT_BYTES: Final = 32


class AskAgain:
    """Puts an open inquiry into the words of the law as it reads now."""

    def __init__(self, context: Context, receipts: Receipts) -> None:
        self._context = context
        self._receipts = receipts

    async def once(self, opened: OpenInquiry, refused: RefusedByCore) -> OpenInquiry | None:
        """Return the inquiry under its new entry, or None if the law as it reads now forbids it.

        Raises `UnavailableError` when the inquiry moved meanwhile: whoever moved it goes on.
        """
        gate = await self._context.gate.current()
        receipt = [self._receipts.of_law_changed(opened, refused)]
        for _ in range(DECISIONS_MAX):
            new = await self._reworded(opened, gate_version=gate.version)
            if new is None:
                return None
            outcomes = await self._context.writer.append(
                [*receipt, new.draft], source=opened.client_id
            )
            match outcomes[-1]:
                case Recorded() as recorded:
                    return new.recorded(recorded)
                case StaleDecisionError():
                    receipt.clear()  # recorded by the first attempt
                    gate = await self._context.gate.newer_than(gate.version)
                case EffectRefusedError():
                    raise UnavailableError("inquiry: moved by somebody else")
                case error:
                    raise error
        raise UnavailableError("inquiry: the gate kept moving")

    async def _reworded(self, opened: OpenInquiry, *, gate_version: int) -> NewInquiry | None:
        try:
            lawful = await decide_asked(
                self._context, asked_by(opened.inquiry), self._context.clock.now()
            )
        except RefusedByLawError:
            return None
        old = opened.details
        details = Details(
            unified_number=old.unified_number,
            code=old.code,
            salt=b64(secrets.token_bytes(SALT_BYTES)),
            system=old.system,
            staff=old.staff,
        )
        return asked_again(
            opened,
            vault=self._context.vault,
            details=details,
            lawful=lawful,
            reply_key=self._context.trust.reply_key(),
            gate_version=gate_version,
        )
