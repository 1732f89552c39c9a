"""What the core's handlers work with, made once a worker."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeAlias

from gateway.core.code_book import CodeBook
from gateway.core.code_changes import CodeChangeDesk
from gateway.core.code_requests import CodeRequestDesk
from gateway.core.corrections import CorrectionDesk
from gateway.core.outcomes import OutcomeDesk
from gateway.core.permits import PermitDesk, PermitRules
from gateway.core.problems import LISTENER
from gateway.core.providers import ProviderDesk
from gateway.core.publication import Publication
from gateway.core.reconciliations import ReconciliationDesk
from gateway.core.resident_codes import ResidentCodeDesk
from gateway.core.statements import StatementDesk
from gateway.flows.checkpoints import Checkpoints
from gateway.flows.context import Context
from gateway.flows.evidence import SecurityEvents
from gateway.flows.forks import Forks
from gateway.flows.peer_slots import PeerSlots
from gateway.flows.witnessing import Witnessing
from gateway.http.members import Member
from gateway.http.routes import Call
from gateway.settings import CoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreServices:
    """One desk for each kind of message."""

    permits: PermitDesk
    outcomes: OutcomeDesk
    providers: ProviderDesk
    code_requests: CodeRequestDesk
    resident_codes: ResidentCodeDesk
    code_changes: CodeChangeDesk
    statements: StatementDesk
    reconciliations: ReconciliationDesk
    corrections: CorrectionDesk
    publication: Publication
    checkpoints: Checkpoints
    forks: Forks
    witnessing: Witnessing
    peer_slots: PeerSlots
    events: SecurityEvents

    @classmethod
    def of(
        cls,
        context: Context,
        codes: CodeBook,
        publication: Publication,
        settings: CoreSettings,
    ) -> Self:
        """Return all desks over one context."""
        rules = PermitRules(
            request_life=timedelta(days=settings.request_expires_days),
            providers_per_person_day_max=settings.providers_per_person_day_max,
        )
        forks = Forks(context.database, context.clock, context.writer)
        return cls(
            permits=PermitDesk(context, codes, rules),
            outcomes=OutcomeDesk(context),
            providers=ProviderDesk(context),
            code_requests=CodeRequestDesk(context),
            resident_codes=ResidentCodeDesk(context, codes),
            code_changes=CodeChangeDesk(context, codes),
            statements=StatementDesk(context),
            reconciliations=ReconciliationDesk(context),
            corrections=CorrectionDesk(context),
            publication=publication,
            checkpoints=Checkpoints(context),
            forks=forks,
            peer_slots=PeerSlots(context, forks),
            witnessing=Witnessing(
                trust=context.trust,
                memory=context.cosigned,
                clock=context.clock,
                forks=forks,
            ),
            events=SecurityEvents(context, listener=LISTENER),
        )


CoreCall: TypeAlias = Call[CoreServices, Member]
