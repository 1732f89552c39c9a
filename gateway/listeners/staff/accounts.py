"""Staff zone: sessions begun and ended, accounts made, taken into use, changed."""

from http import HTTPStatus
from typing import Final

from codes.canonical import instant
from gateway.domain.staff import SESSION_IDLE, StaffPermission, parse_roles
from gateway.flows import staff_accounts
from gateway.flows.sign_in_staff import session_permissions
from gateway.http.paging import cursor_of, read_cursor
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.identity import proof_of, prove
from gateway.listeners.staff.services import LogStaffCall
from gateway.storage.staff import StaffRow
from gateway.wire.staff import (
    Credential,
    Enrolment,
    Invitation,
    NewEnrolment,
    NewPassword,
    NewStaff,
    PageQuery,
    RolesChange,
    Session,
    StaffAccount,
    StaffAccounts,
)

_BYTES_MAX: Final = 8 * 1024
_RECORDED: Final = ("queue-full", "slot-stopped", "no-free-slot")


async def begin_session(call: LogStaffCall, body: Credential) -> Session:
    """Sign in with password and one-time password; the token is a Bearer token from then on.

    A one-time password is taken once, here or in a decision. What is wrong is never told.
    """
    begun = await call.services.sign_in.begin(proof_of(body), address=call.caller.address)
    return Session(
        token=begun.token.text,
        staff_id=begun.staff.staff_id,
        roles=sorted(begun.staff.roles),
        permissions=session_permissions(begun.staff),
        expires_at=instant(begun.expires_at),
        idle_s=int(SESSION_IDLE.total_seconds()),
    )


async def end_session(call: LogStaffCall) -> None:
    """Sign out."""
    await call.services.sign_in.end(call.caller.token or "", call.caller.staff)


async def change_password(call: LogStaffCall, body: NewPassword) -> None:
    """Take another password; every session of this credential ends."""
    person = await prove(call, body.credential)
    await call.services.accounts.change_password(person, body.password)


async def enrol(call: LogStaffCall, body: NewEnrolment) -> Enrolment:
    """Take an account into use with the code its administrator handed over."""
    enrolled = await call.services.accounts.enrol(
        body.name, body.enrolment_code, body.password, body.totp_secret
    )
    return Enrolment(
        staff_id=enrolled.staff_id,
        totp_secret=enrolled.factor.base32(),
        totp_uri=enrolled.uri,
    )


async def list_staff(call: LogStaffCall) -> StaffAccounts:
    """List accounts, newest first."""
    query = call.query(PageQuery)
    rows = await call.services.accounts.page(before=read_cursor(query.after), limit=query.limit)
    following = cursor_of(rows[-1].added_at, rows[-1].staff_id) if rows else None
    return StaffAccounts(
        staff=[_account(row) for row in rows],
        next=following if len(rows) == query.limit else None,
    )


async def add_staff(call: LogStaffCall, body: NewStaff) -> Invitation:
    """Make an account; its person takes it into use with the code returned."""
    return _invitation(
        await call.services.accounts.add(body.name, parse_roles(body.roles), by=call.caller.staff)
    )


async def reset_staff(call: LogStaffCall) -> Invitation:
    """Retire an account's credential; its person makes another with the code returned."""
    return _invitation(await call.services.accounts.reset(call.path("id"), by=call.caller.staff))


async def change_roles(call: LogStaffCall, body: RolesChange) -> None:
    """Give an account other roles; its sessions end."""
    await call.services.accounts.change_roles(
        call.path("id"), parse_roles(body.roles), by=call.caller.staff
    )


async def disable_staff(call: LogStaffCall) -> None:
    """Let nobody in with the account any more; its sessions end."""
    await call.services.accounts.disable(call.path("id"), by=call.caller.staff)


async def enable_staff(call: LogStaffCall) -> None:
    """Let the account in again."""
    await call.services.accounts.enable(call.path("id"), by=call.caller.staff)


_NO_CONTENT: Final = (HTTPStatus.NO_CONTENT,)
_WRITE: Final = Permission(StaffPermission.STAFF_WRITE)
_CHANGE_PROBLEMS: Final = ("not-found", "conflict", "staff-rule", *_RECORDED)

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/session",
        handler=begin_session,
        permission=Permission(StaffPermission.SESSION_BEGIN),
        summary="Sign in",
        request=Credential,
        response=Session,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=_RECORDED,
    ),
    Route(
        method="DELETE",
        path="/v1/session",
        handler=end_session,
        permission=Permission(StaffPermission.SESSION_END),
        summary="Sign out",
        statuses=_NO_CONTENT,
        problems=_RECORDED,
    ),
    Route(
        method="POST",
        path="/v1/passwords",
        handler=change_password,
        permission=Permission(StaffPermission.CREDENTIAL_CHANGE),
        summary="Change one's own password",
        request=NewPassword,
        statuses=_NO_CONTENT,
        bytes_max=_BYTES_MAX,
        problems=("malformed-staff", *_RECORDED),
    ),
    Route(
        method="POST",
        path="/v1/enrolments",
        handler=enrol,
        permission=Permission(StaffPermission.CREDENTIAL_ENROL),
        summary="Take an account into use",
        request=NewEnrolment,
        response=Enrolment,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("malformed-staff", "credential-taken", *_RECORDED),
    ),
    Route(
        method="GET",
        path="/v1/staff",
        handler=list_staff,
        permission=Permission(StaffPermission.STAFF_READ),
        summary="List accounts",
        response=StaffAccounts,
        query=PageQuery,
    ),
    Route(
        method="POST",
        path="/v1/staff",
        handler=add_staff,
        permission=_WRITE,
        summary="Make an account",
        request=NewStaff,
        response=Invitation,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("malformed-staff", "name-taken", "staff-rule", *_RECORDED),
    ),
    Route(
        method="POST",
        path="/v1/staff/{id}/reset",
        handler=reset_staff,
        permission=_WRITE,
        summary="Retire a credential",
        response=Invitation,
        statuses=(HTTPStatus.CREATED,),
        problems=_CHANGE_PROBLEMS,
    ),
    Route(
        method="PUT",
        path="/v1/staff/{id}/roles",
        handler=change_roles,
        permission=_WRITE,
        summary="Change roles",
        request=RolesChange,
        statuses=_NO_CONTENT,
        bytes_max=_BYTES_MAX,
        problems=("malformed-staff", *_CHANGE_PROBLEMS),
    ),
    Route(
        method="POST",
        path="/v1/staff/{id}/disable",
        handler=disable_staff,
        permission=_WRITE,
        summary="Disable an account",
        statuses=_NO_CONTENT,
        problems=_CHANGE_PROBLEMS,
    ),
    Route(
        method="POST",
        path="/v1/staff/{id}/enable",
        handler=enable_staff,
        permission=_WRITE,
        summary="Enable an account",
        statuses=_NO_CONTENT,
        problems=_CHANGE_PROBLEMS,
    ),
)


def _invitation(made: staff_accounts.Enrolment) -> Invitation:
    return Invitation(
        staff_id=made.staff_id,
        enrolment_code=made.code.text,
        expires_at=instant(made.expires_at),
    )


def _account(row: StaffRow) -> StaffAccount:
    return StaffAccount(
        staff_id=row.staff_id,
        name=row.name,
        roles=list(row.roles),
        state=row.state,
        added_at=instant(row.added_at),
    )
