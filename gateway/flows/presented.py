"""A permit presented: everything that is checked before anything about the person (PROTOCOL §3).

Up to here every request takes the same path, whoever it is about; what fails here failed for
what it is, not for whom it concerns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final

from certs.errors import CertsError, PermitError
from certs.permits import Permit, PermitToken, check_unexpired, verify_permit_token
from certs.terms import differing_terms
from codes.canonical import parse_instant, tokyo_day
from gateway.errors import SekishoError
from gateway.flows.statements import Statement, StatementInvalidError, Statements
from gateway.flows.trust import Trust
from gateway.records.kinds import Inquiry
from gateway.wire.network import ProvisionAsked

PERMITS_KEPT: Final = 4096
"""How many permits of tokens verified before are remembered: some 10 MB of them."""
REQUEST_LIFE_MAX: Final = timedelta(days=30)
"""How long any core may let a request live (PROTOCOL §3)."""
INQUIRY_AGE_MAX: Final = timedelta(days=8)
"""How old an inquiry may be when its request begins: seven days at a core, and one for clocks."""
CLOCK_LEEWAY: Final = timedelta(seconds=30)


class PermitRefusedError(SekishoError):
    """A permit token that is not a good one here; `reason` says why."""

    problem = "permit-refused"

    def __init__(self, message: str = "", *, reason: str) -> None:
        super().__init__(message or reason, members={"reason": reason})
        self.reason = reason


class PermitExpiredError(SekishoError):
    """The token, or the whole request, is past its time; the core may give another token."""

    problem = "permit-expired"


class DirectoryBehindError(SekishoError):
    """One of us has an older directory or allow list; both fetch, and it is asked again."""

    problem = "directory-behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a permit is about, whenever it is looked at: the asker, the permit, the inquiry."""

    inquirer: str
    permit: Permit
    inquiry: Inquiry

    @property
    def permit_id(self) -> str:
        """Return the permit's id."""
        return self.permit.permit_id

    @property
    def leaf(self) -> bytes:
        """Return the leaf hash of the inquiry."""
        return bytes.fromhex(self.permit.inquiry_leaf)

    @property
    def day(self) -> date:
        """Return the day (Tokyo) the request expires: the permit's use is kept under it."""
        return tokyo_day(parse_instant(self.permit.request_expires))

    @property
    def inquiry_day(self) -> date:
        """Return the day (Tokyo) of the inquiry's entry: that it was answered is kept under it."""
        return tokyo_day(parse_instant(self.inquiry.time))


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One item whose token, permit and statement belong together and to its sender."""

    matter: Matter
    token: PermitToken = field(repr=False)
    statement: Statement = field(repr=False)


class Tokens:
    """Permit tokens verified before, by their digest; a token may be shown many times."""

    def __init__(self, trust: Trust, *, permits_max: int = PERMITS_KEPT) -> None:
        self._trust = trust
        self._permits_max = permits_max
        self._known: dict[bytes, PermitToken] = {}
        self._permits = 0

    def read(self, text: str, *, sender: str, now: datetime) -> PermitToken:
        """Return the claims of a token that the core issued for `sender` to us.

        `exp` is not asked here: a permit that is known is answered before (*Once*). Raises
        `PermitRefusedError`.
        """
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        token = self._known.get(digest)
        if token is None:
            token = self._verified(text, now)
            self._remember(digest, token)
        if token.inquirer != sender:
            raise PermitRefusedError("token: of another inquirer", reason="token-inquirer")
        return token

    def forget(self) -> None:
        """Verify everything anew: the directory, and so perhaps the core's keys, have changed."""
        self._known.clear()
        self._permits = 0

    def _remember(self, digest: bytes, token: PermitToken) -> None:
        """Keep a token at hand; the oldest go for it."""
        self._permits += len(token.permits)
        while self._known and self._permits > self._permits_max:
            self._permits -= len(self._known.pop(next(iter(self._known))).permits)
        self._known[digest] = token

    def _verified(self, text: str, now: datetime) -> PermitToken:
        try:
            return verify_permit_token(
                text,
                keys=self._trust.directory.permit_keys_at,
                issuer=self._trust.core,
                audience=self._trust.organisation,
                now=now,
                accept_expired=True,
            )
        except (PermitError, CertsError) as error:
            raise PermitRefusedError("token: refused", reason=error.reason) from None


def present(
    asked: ProvisionAsked,
    tokens: Sequence[PermitToken | SekishoError],
    statements: Statements,
) -> Presented:
    """Return an item whose parts belong together, or raise what stands between them.

    Raises:
        PermitRefusedError: no such token or permit, or the token itself was refused.
        StatementInvalidError: the statement is no inquiry, or not this permit's.
    """
    if asked.token >= len(tokens):
        raise PermitRefusedError("item: names no token", reason="no-token")
    token = tokens[asked.token]
    if isinstance(token, SekishoError):
        raise token
    permit = token.permit(asked.permit_id)
    if permit is None:
        raise PermitRefusedError("item: not in its token", reason="no-permit")
    statement = statements.at(asked.group, asked.index)
    inquiry = statement.entry.public
    if not isinstance(inquiry, Inquiry):
        raise StatementInvalidError("statement: not an inquiry", reason="other-kind")
    if statement.entry.leaf_hash.hex() != permit.inquiry_leaf:
        raise StatementInvalidError("statement: of another permit", reason="other-inquiry")
    different = differing_terms(inquiry, permit)
    if different:
        raise StatementInvalidError("statement: other terms", reason="other-terms")
    if inquiry.provider != token.aud:
        raise StatementInvalidError("statement: to another provider", reason="other-parties")
    return Presented(
        matter=Matter(inquirer=token.inquirer, permit=permit, inquiry=inquiry),
        token=token,
        statement=statement,
    )


def require_current(presented: Presented, trust: Trust, now: datetime) -> None:
    """Return quietly if permit and request still live and rest on the law we have, else raise.

    Raises:
        PermitExpiredError: past `exp` or `request_expires`.
        DirectoryBehindError: the token names a newer directory than ours.
        PermitRefusedError: it names another allow list or law day than its own directory, or a
            request that begins later or lives longer than any may.
    """
    try:
        check_unexpired(presented.token, now=now)
    except PermitError:
        raise PermitExpiredError("token: expired") from None
    if now >= parse_instant(presented.matter.permit.request_expires):
        raise PermitExpiredError("request: expired")
    _require_request_life(presented.matter, now)
    if is_behind(presented, trust):
        raise DirectoryBehindError("directory: older than the token's")
    directory, token = trust.directory, presented.token
    is_older = token.directory_version < directory.version
    # Made under an older allow list, ours decides, and can only be stricter for us.
    if not is_older and token.allow_list != directory.allow_list_digest:
        raise PermitRefusedError("token: another allow list", reason="token-allow-list")
    # A development network's own law day may have moved since; real days do not.
    if not is_older or directory.law_day is None:
        _require_law_day(presented, trust)


def is_behind(presented: Presented, trust: Trust) -> bool:
    """Tell whether the token names a newer directory than ours."""
    return presented.token.directory_version > trust.directory.version


def _require_request_life(matter: Matter, now: datetime) -> None:
    """The use of a permit is kept by days: no core chooses them freely."""
    requested = parse_instant(matter.permit.requested_at)
    lives = parse_instant(matter.permit.request_expires) - requested
    waited = requested - parse_instant(matter.inquiry.time)
    if requested > now + CLOCK_LEEWAY or lives > REQUEST_LIFE_MAX or waited > INQUIRY_AGE_MAX:
        raise PermitRefusedError("request: later or longer than any", reason="request-life")


def _require_law_day(presented: Presented, trust: Trust) -> None:
    """The law day is that of the request: today's, or a development network's own."""
    requested = parse_instant(presented.matter.permit.requested_at)
    expected = trust.directory.law_day or tokyo_day(requested)
    if presented.matter.permit.law_day != expected.isoformat():
        raise PermitRefusedError("token: another law day", reason="token-law-day")
