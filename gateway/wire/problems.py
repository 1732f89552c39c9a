"""Problem documents (RFC 9457): the catalogue of names, and the shape others read."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

PROBLEM_JSON: Final = "application/problem+json"


class Nearest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes nearest to something the law refuses; `note` where it is allowed no longer."""

    citation: str
    information: str
    note: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document as it is read; unknown members are ignored, as RFC 9457 §3.2 asks.

    `type` is a relative reference: the slug of the catalogue and nothing else.
    """

    type: str
    title: str
    status: Annotated[int, msgspec.Meta(ge=100, le=599)]
    detail: str | None = None
    reason: str | None = None
    pointer: str | None = None
    request_id: str | None = None
    basis: tuple[str, ...] = ()
    nearest: tuple[Nearest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """One name of the catalogue with the status and title that go with it."""

    slug: str
    status: int
    title: str


def _catalogue(*rows: tuple[str, HTTPStatus, str]) -> Mapping[str, ProblemType]:
    types = {
        slug: ProblemType(slug=slug, status=int(status), title=title)
        for slug, status, title in rows
    }
    if len(types) != len(rows):
        raise ValueError("a problem slug stands twice in the catalogue")
    return MappingProxyType(types)


# Names are kept for ever; a new one is a new line. Statuses of list items are these too.
PROBLEM_TYPES: Final = _catalogue(
    # What came cannot be read.
    ("invalid-request", HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    ("malformed-json", HTTPStatus.BAD_REQUEST, "The body is not strict JSON"),
    ("malformed-http", HTTPStatus.BAD_REQUEST, "The request is not well-formed HTTP"),
    ("invalid-query", HTTPStatus.BAD_REQUEST, "The query, path or a header cannot be read"),
    ("request-timeout", HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time"),
    ("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    (
        "unsupported-media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The media type or encoding is not taken here",
    ),
    ("invalid-body", HTTPStatus.UNPROCESSABLE_ENTITY, "The body has another shape"),
    ("idempotency-mismatch", HTTPStatus.UNPROCESSABLE_ENTITY, "The key stands for another body"),
    ("bad-bundle", HTTPStatus.UNPROCESSABLE_ENTITY, "The bundle cannot be read"),
    ("malformed-staff", HTTPStatus.UNPROCESSABLE_ENTITY, "No account can have this"),
    ("batch-refused", HTTPStatus.UNPROCESSABLE_ENTITY, "The batch counts for nothing"),
    ("statement-invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "A statement proves nothing here"),
    ("not-consistent", HTTPStatus.UNPROCESSABLE_ENTITY, "The new tree does not continue the old"),
    ("sealed-invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "Something sealed does not open here"),
    # Who comes, and what they may.
    ("not-authenticated", HTTPStatus.UNAUTHORIZED, "The caller is not authenticated"),
    ("wrong-passphrase", HTTPStatus.UNAUTHORIZED, "The passphrase or PIN is wrong"),
    ("client-not-authentic", HTTPStatus.UNAUTHORIZED, "The client did not prove who it is"),
    ("token-invalid", HTTPStatus.UNAUTHORIZED, "The access token is not good here"),
    ("scope-refused", HTTPStatus.FORBIDDEN, "The client is not registered for this scope"),
    ("insufficient-scope", HTTPStatus.FORBIDDEN, "The access token does not cover this"),
    ("not-permitted", HTTPStatus.FORBIDDEN, "The caller may not do this"),
    ("unknown-certificate", HTTPStatus.FORBIDDEN, "The certificate is nobody's any more"),
    ("wrong-member", HTTPStatus.FORBIDDEN, "This member of the network may not do this"),
    ("outside-registration", HTTPStatus.FORBIDDEN, "The client is not registered for this"),
    ("checkpoint-not-signed", HTTPStatus.FORBIDDEN, "The checkpoint is not signed by its log"),
    ("permit-refused", HTTPStatus.FORBIDDEN, "The permit is not good here"),
    ("permit-expired", HTTPStatus.FORBIDDEN, "The permit is past its time"),
    ("refused", HTTPStatus.FORBIDDEN, "A rule refuses this"),
    ("withheld", HTTPStatus.FORBIDDEN, "The answer is kept back"),
    ("not-found", HTTPStatus.NOT_FOUND, "There is no such thing"),
    ("tile-erased", HTTPStatus.GONE, "What the tile tells of is erased"),
    ("unknown-body", HTTPStatus.NOT_FOUND, "No organisation has this body"),
    ("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The method is not taken here"),
    ("same-approver", HTTPStatus.FORBIDDEN, "One person is not both pairs of eyes"),
    ("flag-maker", HTTPStatus.FORBIDDEN, "Who set or lifted the flag does not decide here"),
    ("not-releasable", HTTPStatus.FORBIDDEN, "Law, switch or rule forbids this answer now"),
    ("other-key-set", HTTPStatus.FORBIDDEN, "The directory lists another key set than that"),
    ("staff-rule", HTTPStatus.FORBIDDEN, "A rule about accounts refuses this"),
    # What stands in the way.
    ("hold-closed", HTTPStatus.CONFLICT, "The hold takes no decision any more"),
    ("hold-changed", HTTPStatus.CONFLICT, "What would go out has changed; look again"),
    ("erasure-refused", HTTPStatus.CONFLICT, "The month may not go now"),
    ("name-taken", HTTPStatus.CONFLICT, "The name is, or was, somebody's"),
    ("credential-taken", HTTPStatus.CONFLICT, "The second factor is, or was, somebody's"),
    ("conflict", HTTPStatus.CONFLICT, "The present state does not allow this"),
    ("permit-used", HTTPStatus.CONFLICT, "The permit was used with something else"),
    ("permit-forgotten", HTTPStatus.CONFLICT, "The permit may have been used; ask anew"),
    ("directory-behind", HTTPStatus.CONFLICT, "One of us has an older directory or allow list"),
    ("no-network-code", HTTPStatus.CONFLICT, "The person has no network code here yet"),
    ("lapsed", HTTPStatus.CONFLICT, "Nobody waits for this any more"),
    ("stale-decision", HTTPStatus.CONFLICT, "What the decision was made on has changed"),
    ("effect-refused", HTTPStatus.CONFLICT, "It was done already, or may not be done now"),
    ("entry-refused", HTTPStatus.CONFLICT, "The record could not take this"),
    # The other side.
    ("peer-refused", HTTPStatus.BAD_GATEWAY, "The other organisation refused the message"),
    ("peer-protocol", HTTPStatus.BAD_GATEWAY, "The other organisation's answer cannot be read"),
    ("peer-not-authentic", HTTPStatus.BAD_GATEWAY, "The other side is not who it should be"),
    ("peer-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The other organisation does not answer"),
    # Not now.
    ("too-many-requests", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    ("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here"),
    ("bad-configuration", HTTPStatus.INTERNAL_SERVER_ERROR, "Something is set up wrongly here"),
    ("wrong-schema", HTTPStatus.INTERNAL_SERVER_ERROR, "The database is of another release"),
    ("record-damaged", HTTPStatus.INTERNAL_SERVER_ERROR, "The entry is not what was recorded"),
    ("archive-damaged", HTTPStatus.INTERNAL_SERVER_ERROR, "The archive is not what was made"),
    ("unstorable", HTTPStatus.INTERNAL_SERVER_ERROR, "Something cannot be stored here"),
    ("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Not available just now"),
    ("replica-unreadable", HTTPStatus.SERVICE_UNAVAILABLE, "What is stored cannot be read"),
    ("queue-full", HTTPStatus.SERVICE_UNAVAILABLE, "Too much is waiting already"),
    ("draining", HTTPStatus.SERVICE_UNAVAILABLE, "The gateway is closing down"),
    ("locked", HTTPStatus.SERVICE_UNAVAILABLE, "The gateway is locked"),
    ("stale-directory", HTTPStatus.SERVICE_UNAVAILABLE, "The directory is not fresh enough"),
    ("slot-stopped", HTTPStatus.SERVICE_UNAVAILABLE, "Records cannot be made just now"),
    ("slot-unproved", HTTPStatus.SERVICE_UNAVAILABLE, "Records cannot be made just now"),
    ("slot-ahead", HTTPStatus.SERVICE_UNAVAILABLE, "The last record is ahead of the clock"),
    ("slot-frozen", HTTPStatus.SERVICE_UNAVAILABLE, "What is stored may no longer be signed"),
    ("no-free-slot", HTTPStatus.SERVICE_UNAVAILABLE, "Records cannot be made just now"),
    ("not-cosigned", HTTPStatus.SERVICE_UNAVAILABLE, "No witness has cosigned the records yet"),
    ("witness-lag", HTTPStatus.SERVICE_UNAVAILABLE, "The witnesses are too far behind the records"),
    ("clock-off", HTTPStatus.SERVICE_UNAVAILABLE, "The clock is off"),
    (
        "cosigned-forgotten",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "What was cosigned last is not known here",
    ),
    ("restored-backup", HTTPStatus.SERVICE_UNAVAILABLE, "A backup was restored; not yet"),
    ("unknown-result", HTTPStatus.SERVICE_UNAVAILABLE, "The result is not known"),
)
