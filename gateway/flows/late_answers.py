"""Answers that were lost on their way until nobody waited any more, taken in by their statements.

Nobody may ask for the sealed answer any more, and its provider forgets it; its entry stays for
seven years. So what is left to take in is that it answered, and what it committed to: the receipt
has no payload, and says how it came about (PROTOCOL §7, the last rows).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from certs.names import CORE
from gateway.domain.inquiry import GIVEN_UP
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.fetch_statements import fetch_statements_of
from gateway.flows.open_inquiry import OpenInquiry, reopen
from gateway.flows.permit_lane import HeldPermit, held_permit
from gateway.flows.provision_lane import Provided, check_delivery, check_provision
from gateway.flows.receipts import Receipts
from gateway.flows.statements import Statement, StatementInvalidError
from gateway.records.kinds import Delivery, PermitGranted, Provision
from gateway.records.reconcile import Difference
from gateway.records.reconcile_core import PermitAtCore, ToldAtCore
from gateway.storage import inquiries
from gateway.storage.records import find_by_leaf
from gateway.wire.reconciliations import PermitReconciled

log = structlog.get_logger()

INQUIRY_BEFORE_PERMIT: Final = timedelta(days=8)
CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAnswer:
    """A permit of ours, and the leaf hashes (hex) of the answers we have no receipt of."""

    permit: PermitAtCore
    requested_at: datetime
    leaves: frozenset[str]

    def differs(self, organisation: str, reason: str, leaf: str | None = None) -> Difference:
        """Return what stays different about this permit."""
        return Difference(
            organisation=organisation, reason=reason, permit_id=self.permit.permit_id, leaf=leaf
        )


@dataclass(slots=True)
class TakenIn:
    """What was repaired, and what people must look at."""

    repaired: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


class LateAnswers:
    """Fetches lost answers and records their receipts; doing it twice does nothing."""

    def __init__(self, context: Context, receipts: Receipts) -> None:
        self._context = context
        self._receipts = receipts

    async def take_in(self, lost: Sequence[LostAnswer]) -> TakenIn:
        """Record a receipt of every answer whose provider proves it, and say of the rest why not.

        Raises what fetching from the core raises; a provider out of reach leaves its own open.
        """
        taken = TakenIn()
        if not lost:
            return taken
        opened = await self._open(lost, taken)
        ready = [one for one in lost if one.permit.permit_id in opened]
        permits = await fetch_statements_of(
            self._context, self._context.trust.core, [one.permit.permit_id for one in ready]
        )
        by_provider: dict[str, list[LostAnswer]] = defaultdict(list)
        for one in ready:
            by_provider[one.permit.provider].append(one)
        for provider, some in by_provider.items():
            for one, statements in await self._stated(provider, some, taken):
                permit_id = one.permit.permit_id
                await self._one(one, opened[permit_id], permits[permit_id], statements, taken)
        return taken

    async def _open(self, lost: Sequence[LostAnswer], taken: TakenIn) -> Mapping[str, OpenInquiry]:
        """Return our inquiries by permit id: those that were given up and are still there."""
        own = self._context.trust.organisation
        times = [one.requested_at for one in lost]
        async with self._context.database.read() as connection:
            entries = await find_by_leaf(
                connection,
                "inquiry",
                [bytes.fromhex(one.permit.inquiry_leaf) for one in lost],
                since=min(times) - INQUIRY_BEFORE_PERMIT,
                until=max(times) + CLOCKS_DIFFER,
            )
            rows = await inquiries.find_by_entry(
                connection, [entry.entry_id for entry in entries.values()]
            )
        given_up = [entry_id for entry_id, row in rows.items() if row.state in GIVEN_UP]
        recorded = await self._context.writer.find(given_up) if given_up else {}
        opened: dict[str, OpenInquiry] = {}
        for one in lost:
            entry = entries.get(bytes.fromhex(one.permit.inquiry_leaf))
            if entry is None:
                taken.differences.append(one.differs(own, "inquiry-missing"))
            elif entry.entry_id not in recorded:
                taken.differences += [
                    one.differs(own, "receipt-missing", leaf) for leaf in sorted(one.leaves)
                ]
            else:
                opened[one.permit.permit_id] = reopen(
                    rows[entry.entry_id], recorded[entry.entry_id], self._context.vault
                )
        return opened

    async def _stated(
        self, provider: str, lost: Sequence[LostAnswer], taken: TakenIn
    ) -> list[tuple[LostAnswer, list[Statement]]]:
        own = self._context.trust.organisation
        try:
            stated = await fetch_statements_of(
                self._context, provider, [one.permit.permit_id for one in lost]
            )
        except SekishoError as error:
            is_invalid = isinstance(error, StatementInvalidError)
            log.warning("answers_not_fetched", peer=provider, problem=error.problem)
            taken.differences += [
                one.differs(provider, "statement-invalid", leaf)
                if is_invalid
                else one.differs(own, "receipt-missing", leaf)
                for one in lost
                for leaf in sorted(one.leaves)
            ]
            return []
        return [(one, stated[one.permit.permit_id]) for one in lost]

    async def _one(
        self,
        lost: LostAnswer,
        opened: OpenInquiry,
        permits: Sequence[Statement],
        statements: Sequence[Statement],
        taken: TakenIn,
    ) -> None:
        """Take in a provision and then its delivery, as far as they are lost and prove well."""
        granted = [one for one in permits if isinstance(one.entry.public, PermitGranted)]
        if not granted:
            taken.differences.append(lost.differs(CORE, "permit-unknown"))
            return
        try:
            held = held_permit(self._context, granted[0], leaf=opened.leaf, inquiry=opened.inquiry)
        except StatementInvalidError:
            taken.differences.append(lost.differs(CORE, "statement-invalid"))
            return
        missing = set(lost.leaves)
        try:
            for provided in checked_answers(held, opened, statements):
                leaf = provided.statement.entry.leaf_hash.hex()
                if leaf not in missing:
                    continue
                missing.discard(leaf)
                is_new = await self._receipts.fetched(opened, held, provided)
                found = lost.differs(self._context.trust.organisation, "receipt-missing", leaf)
                (taken.repaired if is_new else taken.differences).append(found)
        except StatementInvalidError:
            taken.differences += [
                lost.differs(lost.permit.provider, "statement-invalid", leaf)
                for leaf in sorted(missing)
            ]
            return
        taken.differences += [
            lost.differs(lost.permit.provider, "provision-missing", leaf)
            for leaf in sorted(missing)
        ]


def checked_answers(
    held: HeldPermit, opened: OpenInquiry, statements: Sequence[Statement]
) -> list[Provided]:
    """Return the provision and what was delivered after it, each checked as on arrival.

    Raises `StatementInvalidError`.
    """
    answers: list[Provided] = []
    leaf = opened.leaf
    for statement in statements:
        public = statement.entry.public
        if isinstance(public, Provision):
            check_provision(public, held, leaf=leaf, inquiry=opened.inquiry)
            answers.append(Provided(statement=statement, answer=public))
    if len(answers) > 1:
        raise StatementInvalidError("statements: two provisions", reason="provision-twice")
    for statement in statements:
        public = statement.entry.public
        if isinstance(public, Delivery) and answers:
            provision_leaf = answers[0].statement.entry.leaf_hash.hex()
            check_delivery(
                public, held, provision_leaf=provision_leaf, leaf=leaf, inquiry=opened.inquiry
            )
            answers.append(Provided(statement=statement, answer=public))
    return answers


def at_core(one: PermitReconciled) -> PermitAtCore:
    """Return a permit as the core has it, and all it was told of it."""
    return PermitAtCore(
        permit_id=one.permit_id,
        inquirer=one.inquirer,
        provider=one.provider,
        inquiry_leaf=one.inquiry_leaf,
        permit_leaf=one.permit_leaf,
        told=tuple(
            ToldAtCore(
                party=told.party,
                kind=told.kind,
                outcome=told.outcome,
                leaf=told.leaf,
                of=told.of,
            )
            for told in one.told
        ),
    )
