import pytest

from gateway.domain.staff import (
    ALONE,
    EVERYBODY,
    NOBODY_YET,
    ROLE_PERMISSIONS,
    MalformedStaffError,
    Role,
    Staff,
    StaffPermission,
    StaffRuleError,
    parse_name,
    parse_roles,
    permissions_of,
    require_another,
)


def somebody(*roles: Role) -> Staff:
    return Staff(staff_id="1" * 32, credential_id="2" * 32, name="somebody", roles=frozenset(roles))


def test_every_role_stands_in_the_table_and_every_permission_is_somebodys() -> None:
    given = EVERYBODY | NOBODY_YET | frozenset().union(*ROLE_PERMISSIONS.values())

    assert set(ROLE_PERMISSIONS) == set(Role)
    assert given == set(StaffPermission)


def test_roles_permit_what_each_of_them_permits_and_nothing_more() -> None:
    both = permissions_of([Role.APPROVER, Role.CLERK])

    assert both == EVERYBODY | ROLE_PERMISSIONS[Role.APPROVER] | ROLE_PERMISSIONS[Role.CLERK]


def test_an_administrator_sees_nobodys_data_and_decides_nothing() -> None:
    administrator = somebody(Role.ADMINISTRATOR)

    assert administrator.may(StaffPermission.STAFF_WRITE)
    assert not any(
        administrator.may(permission)
        for permission in StaffPermission
        if permission.split(":")[0] in {"holds", "flags", "switches", "records"}
    )


def test_nobody_who_makes_accounts_has_another_role() -> None:
    for role in ALONE:
        with pytest.raises(StaffRuleError) as refused:
            parse_roles([role, Role.CLERK])
        assert refused.value.reason == "role-stands-alone"


def test_roles_come_in_one_order_and_once() -> None:
    assert parse_roles(["clerk", "approver", "clerk"]) == (Role.APPROVER, Role.CLERK)


@pytest.mark.parametrize("words", [[], ["root"], ["Clerk"], ["clerk", ""]])
def test_words_that_are_no_roles_are_refused(words: list[str]) -> None:
    with pytest.raises(MalformedStaffError):
        parse_roles(words)


@pytest.mark.parametrize("name", ["", "a", "Alice", "-a", "a b", "a\n", "あ", "x" * 33])
def test_a_name_has_one_spelling(name: str) -> None:
    with pytest.raises(MalformedStaffError):
        parse_name(name)


def test_nobody_changes_their_own_account() -> None:
    require_another("1" * 32, by="2" * 32)

    with pytest.raises(StaffRuleError) as refused:
        require_another("1" * 32, by="1" * 32)
    assert refused.value.reason == "own-account"


def test_a_name_does_not_show_where_somebody_is_printed() -> None:
    assert "somebody" not in repr(somebody(Role.CLERK))
