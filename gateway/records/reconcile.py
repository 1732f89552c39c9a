"""Three parties' records of the same exchanges held against each other (法23③, PROTOCOL §3).

The core granted a permit, the inquirer asked and received, the provider answered: each recorded it,
and each record names the others by leaf hash. Whatever does not fit is listed; nothing is guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from certs.names import CORE
from gateway.records.entry import ParsedEntry
from gateway.records.errors import RecordsError
from gateway.records.kinds import (
    Delivery,
    Inquiry,
    OutcomeTaken,
    PermitGranted,
    Provision,
    Public,
    Receipt,
    Refusal,
)

PARTIES: Final = 3
K = TypeVar("K", bound=Public)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRecords:
    """One organisation's entries, as exported and verified."""

    organisation: str
    entries: Sequence[ParsedEntry] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that does not fit; `organisation` is whose record is missing or says otherwise.

    Reasons: inquiry-missing, provision-missing, provision-twice, receipt-missing, outcome-missing,
    permit-unknown, refusal-unknown, outcome-unknown; permit-leaf-differs, inquiry-leaf-differs,
    subject-differs, provision-leaf-differs, answer-leaf-differs, outcome-differs, payload-differs;
    over the network also notice-missing, statement-invalid and record-damaged.
    """

    organisation: str
    reason: str
    permit_id: str | None = None
    leaf: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What the three say together."""

    permits: int
    refusals: int
    differences: tuple[Difference, ...]

    @property
    def is_agreed(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class _Book:
    """One party's entries by kind and permit."""

    def __init__(self, party: PartyRecords) -> None:
        self.organisation: Final = party.organisation
        self.by_leaf: Final = {entry.leaf_hash.hex(): entry.public for entry in party.entries}
        self._by_permit: dict[str, list[tuple[str, Public]]] = defaultdict(list)
        for leaf, public in self.by_leaf.items():
            permit_id = getattr(public, "permit_id", None)
            if permit_id is not None:
                self._by_permit[permit_id].append((leaf, public))

    def of(self, kind: type[K]) -> list[tuple[str, K]]:
        """Return leaf hash and public part of every entry of a kind, in the order of the log."""
        return [(leaf, one) for leaf, one in self.by_leaf.items() if isinstance(one, kind)]

    def about(self, kind: type[K], permit_id: str) -> list[tuple[str, K]]:
        """Return the same for one permit."""
        found = self._by_permit.get(permit_id, ())
        return [(leaf, one) for leaf, one in found if isinstance(one, kind)]


def reconcile(parties: Sequence[PartyRecords]) -> Reconciliation:
    """Return in what the records of the core and of two organisations differ.

    Exchanges with anybody else are left out.

    Raises:
        RecordsError: not-three-parties unless they are the core and two others.
    """
    books = {party.organisation: _Book(party) for party in parties}
    core = books.pop(CORE, None)
    if core is None or len(books) != PARTIES - 1 or len(parties) != PARTIES:
        raise RecordsError("not-three-parties")
    permits = {
        leaf: permit
        for leaf, permit in core.of(PermitGranted)
        if {permit.inquirer, permit.provider} == books.keys()
    }
    exchanges = [
        _Exchange(
            leaf,
            permit,
            core=core,
            inquirer=books[permit.inquirer],
            provider=books[permit.provider],
        )
        for leaf, permit in permits.items()
    ]
    differences = [found for one in exchanges for found in one.differences()]
    known = {permit.permit_id for _, permit in core.of(PermitGranted)}
    refusals = {leaf for leaf, _ in core.of(Refusal)}
    count = 0
    for book in books.values():
        differences += _unknown(book, known, others=books.keys())
        for leaf, receipt in book.of(Receipt):
            if receipt.permit_id is None:
                count += 1
                if receipt.answer_leaf not in refusals:
                    differences.append(
                        Difference(organisation=CORE, reason="refusal-unknown", leaf=leaf)
                    )
    return Reconciliation(permits=len(permits), refusals=count, differences=tuple(differences))


class _Exchange:
    """Everything three parties recorded about one permit."""

    def __init__(
        self, leaf: str, permit: PermitGranted, *, core: _Book, inquirer: _Book, provider: _Book
    ) -> None:
        self._leaf = leaf
        self._permit = permit
        self._inquirer = inquirer
        self._provider = provider
        self._provisions = provider.about(Provision, permit.permit_id)
        self._deliveries = provider.about(Delivery, permit.permit_id)
        self._told = core.about(OutcomeTaken, permit.permit_id)
        self._receipts = inquirer.about(Receipt, permit.permit_id)

    def differences(self) -> Iterator[Difference]:
        """Yield what does not fit."""
        if not isinstance(self._inquirer.by_leaf.get(self._permit.inquiry_leaf), Inquiry):
            yield self._found(self._inquirer, "inquiry-missing")
        yield from self._of_provisions()
        yield from self._of_deliveries()
        yield from self._of_receipts()
        yield from self._of_outcomes()

    def _of_provisions(self) -> Iterator[Difference]:
        if len(self._provisions) > 1:
            yield self._found(self._provider, "provision-twice")
        for leaf, provision in self._provisions:
            for reason, is_met in (
                ("permit-leaf-differs", provision.permit_leaf == self._leaf),
                ("inquiry-leaf-differs", provision.inquiry_leaf == self._permit.inquiry_leaf),
                ("subject-differs", provision.subject_p == self._permit.subject_p),
            ):
                if not is_met:
                    yield self._found(self._provider, reason, leaf)

    def _of_deliveries(self) -> Iterator[Difference]:
        provisions = {leaf for leaf, _ in self._provisions}
        for leaf, delivery in self._deliveries:
            if delivery.provision_leaf not in provisions:
                yield self._found(self._provider, "provision-leaf-differs", leaf)

    def _of_receipts(self) -> Iterator[Difference]:
        answers: dict[str, Provision | Delivery] = dict(self._provisions) | dict(self._deliveries)
        met = set()
        for leaf, receipt in self._receipts:
            if receipt.inquiry_leaf != self._permit.inquiry_leaf:
                yield self._found(self._inquirer, "inquiry-leaf-differs", leaf)
            if receipt.answer_leaf == self._leaf:
                # The provider would not take the permit: the permit is the last word there was.
                continue
            answer = answers.get(receipt.answer_leaf)
            if answer is None:
                missing = "answer-leaf-differs" if answers else "provision-missing"
                yield self._found(self._provider, missing, leaf)
                continue
            met.add(receipt.answer_leaf)
            if receipt.outcome != answer.outcome:
                yield self._found(self._inquirer, "outcome-differs", leaf)
            if receipt.payload != answer.payload:
                yield self._found(self._inquirer, "payload-differs", leaf)
        for leaf in answers.keys() - met:
            yield self._found(self._inquirer, "receipt-missing", leaf)

    def _of_outcomes(self) -> Iterator[Difference]:
        said: dict[str, tuple[_Book, str]] = {
            leaf: (self._provider, one.outcome)
            for leaf, one in (*self._provisions, *self._deliveries)
        }
        said |= {leaf: (self._inquirer, one.outcome) for leaf, one in self._receipts}
        for _, taken in self._told:
            book, outcome = said.pop(taken.of or "", (None, ""))
            if book is None or book.organisation != taken.party:
                yield self._of_party(taken.party, "outcome-unknown", taken.of)
            elif outcome != taken.outcome:
                yield self._of_party(taken.party, "outcome-differs", taken.of)
        for leaf in said:
            yield self._of_party(CORE, "outcome-missing", leaf)

    def _found(self, book: _Book, reason: str, leaf: str | None = None) -> Difference:
        return self._of_party(book.organisation, reason, leaf)

    def _of_party(self, organisation: str, reason: str, leaf: str | None) -> Difference:
        return Difference(
            organisation=organisation,
            reason=reason,
            permit_id=self._permit.permit_id,
            leaf=leaf,
        )


def _unknown(book: _Book, known: set[str], *, others: Iterable[str]) -> Iterator[Difference]:
    """Yield what a party recorded under a permit that the core never granted."""
    parties = set(others)
    for leaf, provision in book.of(Provision):
        if provision.inquirer in parties and provision.permit_id not in known:
            yield _unknown_permit(book, provision.permit_id, leaf)
    for leaf, receipt in book.of(Receipt):
        is_ours = receipt.peer in {*parties, CORE}
        if receipt.permit_id is not None and is_ours and receipt.permit_id not in known:
            yield _unknown_permit(book, receipt.permit_id, leaf)


def _unknown_permit(book: _Book, permit_id: str, leaf: str) -> Difference:
    return Difference(
        organisation=book.organisation, reason="permit-unknown", permit_id=permit_id, leaf=leaf
    )
