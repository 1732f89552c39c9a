"""What a back-office system is registered for: it asks and supplies nothing else. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway.errors import NotPermittedError

ANY: Final = "*"
"""Registered for all of a kind; said in so many words, never by leaving it out."""


class OutsideRegistrationError(NotPermittedError):
    """The client asks for something it is not registered for; `reason` says in what."""

    problem = "outside-registration"

    def __init__(self, reason: str) -> None:
        super().__init__(f"client: {reason}", members={"reason": reason})
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The procedures, information and departments of one client, and whether it asks or supplies.

    `information` holds term ids, `procedures` procedure ids, `departments` department codes.
    """

    client_id: str
    system: str
    procedures: frozenset[str]
    information: frozenset[str]
    departments: frozenset[str]
    may_ask: bool
    may_supply: bool

    def admit_asking(self, *, department: str) -> None:
        """Return quietly if the client may ask at all, for this department, else raise."""
        if not self.may_ask:
            raise OutsideRegistrationError("does-not-ask")
        _admit(self.departments, department, "department")

    def admit_inquiry(self, *, procedure: str, term: str, department: str) -> None:
        """Return quietly if the client may ask this, else raise `OutsideRegistrationError`."""
        self.admit_asking(department=department)
        _admit(self.procedures, procedure, "procedure")
        _admit(self.information, term, "information")

    def admit_supply(self, *, term: str) -> None:
        """Return quietly if the client may supply this information, else raise."""
        if not self.may_supply:
            raise OutsideRegistrationError("does-not-supply")
        _admit(self.information, term, "information")


def _admit(registered: frozenset[str], wanted: str, what: str) -> None:
    if ANY not in registered and wanted not in registered:
        raise OutsideRegistrationError(what)
