"""Messages of the staff listener about corrections of records (法31①の表, 個情法90–97)."""

from typing import Literal

from certs.terms import Information
from gateway.wire.fields import Hex32, Instant, Mark, Message, Name, Organisation
from gateway.wire.staff import Credential

CorrectionGroundWord = Literal["request-of-person", "own-finding", "told-by-counterparty"]
"""The closed list of grounds."""


class CorrectedMembers(Message, frozen=True):
    """What a record shall say instead, by the names that entries have: facts of 法23 alone.

    Of the two marks (法23②) only one's own can be set or lifted: `non_disclosure` by who asked,
    `non_disclosure_provider` by who was asked.
    """

    inquirer_body: Name | None = None
    provider_body: Name | None = None
    department: Name | None = None
    affair: Name | None = None
    procedure: Name | None = None
    citation: Name | None = None
    information: Information | None = None
    requested_at: Instant | None = None
    provided_at: Instant | None = None
    act21_2: Mark | None = None
    non_disclosure: Mark | None = None
    non_disclosure_provider: Mark | None = None


class NewRecordCorrection(Message, frozen=True):
    """Whoever proves this credential corrects the record, on a ground of the closed list."""

    credential: Credential
    members: CorrectedMembers
    ground: CorrectionGroundWord


class RecordCorrected(Message, frozen=True):
    """The correction as it was recorded; `told` are the parties who will hear of it."""

    id: Hex32
    time: Instant
    corrects: Hex32
    told: list[Organisation]


class RecordCorrection(Message, frozen=True):
    """One correction that a record must not be read without.

    Ours (`corrects` is the corrected entry's id) or another party's (`id` is our entry about it).
    """

    id: Hex32
    time: Instant
    organisation: Organisation
    corrects: Hex32 | None = None
