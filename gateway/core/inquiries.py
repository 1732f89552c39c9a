"""Inquiries as they reach the core: verified statements, opened to the person they are about.

What is decided here needs no database. A statement that verified is evidence, so whatever is
wrong with what came beside it becomes a recorded refusal; only what names no statement at all is
answered by a problem.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hmac import compare_digest
from typing import Final

from certs.errors import CertsError
from certs.sealing import unpack_code
from codes.canonical import parse_instant, tokyo_day
from codes.errors import CodesError
from codes.network_code import NetworkCode
from gateway.core.code_book import CodeBook
from gateway.errors import SekishoError
from gateway.flows.sealed import Openers, SealedInvalidError
from gateway.flows.statements import Statement, StatementInvalidError, Statements
from gateway.flows.trust import Trust
from gateway.records.entry import subject_commitment
from gateway.records.kinds import Inquiry
from gateway.wire.network import PermitAsked, PermitsRequest, Sealed

INQUIRY_AGE_MAX: Final = timedelta(days=7)
CLOCK_LEEWAY: Final = timedelta(minutes=2)
CODE_PURPOSE: Final = "code-to-core"

CODE_NOT_OPENED: Final = "code-not-opened"
SUBJECT_NOT_OPENED: Final = "subject-not-opened"
FOREIGN_CODE: Final = "foreign-code"
TOO_OLD: Final = "inquiry-too-old"
FROM_THE_FUTURE: Final = "inquiry-from-the-future"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInquiry:
    """One verified inquiry: about whom it is, or why it cannot be answered.

    `is_kept` tells whether its answer is kept under its day; an inquiry whose time is impossible
    has no such day.
    """

    statement: Statement
    inquiry: Inquiry
    leaf: bytes
    day: date
    is_kept: bool = True
    person: bytes | None = field(default=None, repr=False)
    salt: bytes | None = field(default=None, repr=False)
    refusal: str | None = None


def read_inquiries(
    request: PermitsRequest,
    statements: Statements,
    *,
    trust: Trust,
    codes: CodeBook,
    sender: str,
    now: datetime,
) -> list[ReadInquiry | SekishoError]:
    """Return each item's inquiry, or why it is none, in order."""
    reader = _Reader(
        openers=Openers(trust, request.keys, sender=sender, purpose=CODE_PURPOSE),
        codes=codes,
        sender=sender,
        now=now,
    )
    return [_read(item, statements, reader) for item in request.items]


def _read(
    item: PermitAsked, statements: Statements, reader: "_Reader"
) -> ReadInquiry | SekishoError:
    try:
        statement = statements.at(item.group, item.index)
    except StatementInvalidError as error:
        return error
    if not isinstance(statement.entry.public, Inquiry):
        return StatementInvalidError("permits: not an inquiry", reason="other-kind")
    return reader.read(statement, statement.entry.public, item.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    openers: Openers
    codes: CodeBook
    sender: str
    now: datetime

    def read(self, statement: Statement, inquiry: Inquiry, sealed: Sealed) -> ReadInquiry:
        time, leaf = parse_instant(inquiry.time), statement.entry.leaf_hash
        read = ReadInquiry(statement=statement, inquiry=inquiry, leaf=leaf, day=tokyo_day(time))
        if time > self.now + CLOCK_LEEWAY:
            return _refused(read, FROM_THE_FUTURE, is_kept=False)
        if time < self.now - INQUIRY_AGE_MAX:
            # Its answer may still be known; a new one is not given.
            return _refused(read, TOO_OLD, is_kept=False)
        return self._open(read, sealed)

    def _open(self, read: ReadInquiry, sealed: Sealed) -> ReadInquiry:
        try:
            plaintext = self.openers.open(sealed, binding=read.leaf, permit_id=None)
            salt, raw = unpack_code(plaintext)
        except (SealedInvalidError, CertsError):
            return _refused(read, CODE_NOT_OPENED)
        if not compare_digest(subject_commitment(salt, raw).hex(), read.inquiry.subject):
            return _refused(read, SUBJECT_NOT_OPENED)
        try:
            person = self.codes.person_of(NetworkCode(raw), self.sender)
        except CodesError:
            return _refused(read, FOREIGN_CODE)
        return ReadInquiry(
            statement=read.statement,
            inquiry=read.inquiry,
            leaf=read.leaf,
            day=read.day,
            person=person,
            salt=salt,
        )


def _refused(read: ReadInquiry, reason: str, *, is_kept: bool = True) -> ReadInquiry:
    return ReadInquiry(
        statement=read.statement,
        inquiry=read.inquiry,
        leaf=read.leaf,
        day=read.day,
        is_kept=is_kept,
        refusal=reason,
    )
