"""One party's own records of a permit held against what the core says it has (法23③, PROTOCOL §3).

The core's word here is no statement, so it proves nothing; it says where to look. Reasons are
those of `gateway.records.reconcile.Difference`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from certs.names import CORE
from gateway.records.entry import ParsedEntry
from gateway.records.kinds import Delivery, OfPermit, Provision, Receipt
from gateway.records.reconcile import Difference

_ANSWERS: Final = frozenset({"provision", "delivery"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAtCore:
    """One party's word as the core took it; hashes in hex, `of` is what a receipt answers."""

    party: str
    kind: str
    outcome: str
    leaf: str
    of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitAtCore:
    """One permit as the core has it; hashes in hex."""

    permit_id: str
    inquirer: str
    provider: str
    inquiry_leaf: str
    permit_leaf: str
    told: tuple[ToldAtCore, ...]

    def by(self, party: str) -> Iterator[ToldAtCore]:
        """Yield what one party told."""
        return (one for one in self.told if one.party == party)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecords:
    """Our entries about one permit, and what may be missing by now.

    `is_over`: its request has expired, so nothing new comes. `is_silence`: the other party has
    had its time to tell the core as well.
    """

    organisation: str
    entries: Sequence[ParsedEntry] = field(repr=False)
    is_over: bool
    is_silence: bool


def compare(own: OwnRecords, permit: PermitAtCore) -> tuple[Difference, ...]:
    """Return in what our records and the core's differ about one permit of ours."""
    sides: list[_AsProvider | _AsInquirer] = []
    if own.organisation == permit.provider:
        sides.append(_AsProvider(own, permit))
    if own.organisation == permit.inquirer:
        sides.append(_AsInquirer(own, permit))
    return tuple(found for side in sides for found in side.differences())


class _Side:
    """What both sides ask of the core alike."""

    def __init__(self, own: OwnRecords, permit: PermitAtCore) -> None:
        self._own: Final = own
        self._permit: Final = permit

    def _words(self, ours: dict[str, str], kinds: frozenset[str]) -> Iterator[Difference]:
        """Yield where the core has another word of ours than we have, by leaf hash."""
        told = {
            one.leaf: one.outcome
            for one in self._permit.by(self._own.organisation)
            if one.kind in kinds
        }
        for leaf, outcome in ours.items():
            if leaf not in told:
                if self._own.is_over:
                    yield self._differs(CORE, "outcome-missing", leaf)
            elif told[leaf] != outcome:
                yield self._differs(CORE, "outcome-differs", leaf)
        for leaf in told.keys() - ours.keys():
            yield self._differs(CORE, "outcome-unknown", leaf)

    def _differs(self, organisation: str, reason: str, leaf: str | None = None) -> Difference:
        return Difference(
            organisation=organisation, reason=reason, permit_id=self._permit.permit_id, leaf=leaf
        )


class _AsProvider(_Side):
    """We answered, or were never shown the permit."""

    def differences(self) -> Iterator[Difference]:
        permit, entries = self._permit, self._own.entries
        ours: dict[str, str] = {}
        is_noticed = False
        for entry in entries:
            public, leaf = entry.public, entry.leaf_hash.hex()
            is_noticed = is_noticed or isinstance(public, OfPermit)
            if isinstance(public, Provision | Delivery):
                ours[leaf] = public.outcome
            if isinstance(public, Provision):
                if public.permit_leaf != permit.permit_leaf:
                    yield self._differs(CORE, "permit-leaf-differs", leaf)
                if public.inquiry_leaf != permit.inquiry_leaf:
                    yield self._differs(CORE, "inquiry-leaf-differs", leaf)
        if self._own.is_over and not ours and not is_noticed:
            yield self._differs(self._own.organisation, "notice-missing")
        yield from self._words(ours, _ANSWERS)
        yield from self._receipts(ours)

    def _receipts(self, ours: dict[str, str]) -> Iterator[Difference]:
        permit = self._permit
        received: set[str] = set()
        for one in permit.by(permit.inquirer):
            if one.kind != "receipt" or one.of is None or one.of == permit.permit_leaf:
                continue
            received.add(one.of)
            if one.of not in ours:
                yield self._differs(self._own.organisation, "provision-missing", one.of)
            elif ours[one.of] != one.outcome:
                yield self._differs(permit.inquirer, "outcome-differs", one.of)
        if self._own.is_silence:
            for leaf in ours.keys() - received:
                yield self._differs(permit.inquirer, "receipt-missing", leaf)


class _AsInquirer(_Side):
    """We asked, and have a receipt of every answer we know of."""

    def differences(self) -> Iterator[Difference]:
        permit = self._permit
        ours: dict[str, str] = {}
        answers: dict[str, str] = {}
        for entry in self._own.entries:
            public, leaf = entry.public, entry.leaf_hash.hex()
            if not isinstance(public, Receipt):
                continue
            ours[leaf] = public.outcome
            if public.inquiry_leaf != permit.inquiry_leaf:
                yield self._differs(CORE, "inquiry-leaf-differs", leaf)
            if public.peer == permit.provider:
                answers[public.answer_leaf] = public.outcome
        yield from self._words(ours, frozenset({"receipt"}))
        yield from self._answers(answers)

    def _answers(self, answers: dict[str, str]) -> Iterator[Difference]:
        permit = self._permit
        told = {one.leaf: one.outcome for one in permit.by(permit.provider) if one.kind in _ANSWERS}
        for leaf, outcome in told.items():
            if leaf not in answers:
                if self._own.is_over:
                    yield self._differs(self._own.organisation, "receipt-missing", leaf)
            elif answers[leaf] != outcome:
                yield self._differs(CORE, "outcome-differs", leaf)
        if self._own.is_silence:
            for leaf in answers.keys() - told.keys():
                yield self._differs(permit.provider, "provision-missing", leaf)
