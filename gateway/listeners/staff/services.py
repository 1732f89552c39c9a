"""What the staff zone's handlers work with, at a gateway or the core, and who its callers are."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from gateway.domain.staff import Staff
from gateway.errors import NotAuthenticatedError
from gateway.flows.check_provisions import CheckProvisions
from gateway.flows.correct_records import CorrectRecords
from gateway.flows.disclose_records import DiscloseRecords
from gateway.flows.erase_months import EraseMonths
from gateway.flows.export_records import ExportRecords
from gateway.flows.flags import Flags
from gateway.flows.reconcile_network import Reconcile
from gateway.flows.release import Release
from gateway.flows.review_flags import ReviewFlags
from gateway.flows.review_holds import ReviewHolds
from gateway.flows.review_operations import ReviewOperations
from gateway.flows.review_records import ReviewRecords
from gateway.flows.sign_in_staff import SignInStaff
from gateway.flows.staff_accounts import StaffAccounts
from gateway.flows.switch_measures import SwitchMeasures
from gateway.http.routes import Call

LISTENER: Final = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStaffServices:
    """The flows that staff of every record log reach: those of a gateway and those of the core."""

    sign_in: SignInStaff
    accounts: StaffAccounts
    erase_months: EraseMonths
    operations: ReviewOperations


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffServices(LogStaffServices):
    """The flows that staff of a gateway reach."""

    release: Release
    review_holds: ReviewHolds
    flags: Flags
    review_flags: ReviewFlags
    switches: SwitchMeasures
    records: ReviewRecords
    corrections: CorrectRecords
    disclosures: DiscloseRecords
    export: ExportRecords
    reconcile: Reconcile
    checker: CheckProvisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: an address, and a member of staff where the route wants a session."""

    address: str
    signed_in: Staff | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def staff(self) -> Staff:
        """Return who is signed in; a route of a session is reached by nobody else."""
        if self.signed_in is None:
            raise NotAuthenticatedError("session: none")
        return self.signed_in


StaffCall: TypeAlias = Call[StaffServices, Caller]
LogStaffCall: TypeAlias = Call[LogStaffServices, Caller]
Services = TypeVar("Services", bound=LogStaffServices)
