"""What staff show a person of the records about them, on that person's request (法31; TKM-06).

That they did is on record before anything is shown. An exchange is left out while either party's
mark of 法23② stands; how many were is for staff alone: to tell the person would tell what is not
disclosed (個情法81).
"""

from dataclasses import dataclass, field

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from codes.tables import shipped
from gateway.domain.staff import Staff
from gateway.flows.context import Context
from gateway.flows.exchanges_about import ExchangesAbout, ExchangesFound, PeriodAsked
from gateway.flows.fact_names import FactNames
from gateway.flows.person_code import code_in_records
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.sign_in_staff import SOURCE
from gateway.records.disclosure import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureAsked:
    """Whose records, and of which exchanges."""

    person: UnifiedNumber = field(repr=False)
    period: PeriodAsked


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """The exchanges that the person may see, and how many are left out."""

    exchanges: tuple[Exchange, ...] = field(repr=False)
    left_out: int
    organisation: str
    title: str
    """What our organisation is called."""
    made_at: str
    names: FactNames = field(repr=False)


class DiscloseRecords:
    """The records of one gateway about one person, for that person."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._exchanges = ExchangesAbout(context)

    async def disclose(self, asked: DisclosureAsked, *, reader: Staff) -> Disclosed:
        """Return a person's exchanges with their corrections; that somebody asked is recorded.

        Raises:
            InvalidBodyError: the period ends before it begins, or holds too many entries.
            DamagedRecordError: an entry is not what was recorded.
        """
        asked.period.check()
        code = await code_in_records(self._context, asked.person)
        found = await self._exchanges.find(code, asked.period)
        trust = self._context.trust
        disclosed = Disclosed(
            exchanges=found.shown,
            left_out=found.left_out,
            organisation=trust.organisation,
            title=trust.directory.organisation(trust.organisation).title,
            made_at=instant(self._context.clock.now()),
            names=FactNames.of(trust.directory, trust.law, shipped()),
        )
        await self._record(asked, reader, code, found)
        return disclosed

    async def _record(
        self, asked: DisclosureAsked, reader: Staff, code: bytes | None, found: ExchangesFound
    ) -> None:
        draft = Draft(
            kind="records-read",
            members={},
            private={
                "staff": reader.staff_id,
                "what": "disclosure",
                "unified_number": asked.person.text,
                "asked": asked.period.as_json(),
            }
            | found.as_json(),
            search=SearchColumns(staff=reader.staff_id, subject=code),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
