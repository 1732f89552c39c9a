import pytest

from gateway.domain.scopes import (
    INQUIRIES_READ,
    INQUIRIES_WRITE,
    SCOPES,
    InsufficientScopeError,
    read_scopes,
    require_scope,
    write_scopes,
)
from gateway.listeners.backoffice.app import ROUTES
from gateway.listeners.backoffice.authentication import ANY_CLIENT, CERTIFICATE


def test_every_route_asks_for_a_scope_of_the_list_or_says_why_not() -> None:
    assert {route.permission for route in ROUTES} - {ANY_CLIENT, CERTIFICATE} <= SCOPES


def test_every_scope_has_system_resource_and_operation() -> None:
    assert all(len(scope.split(":")) == 3 and all(scope.split(":")) for scope in SCOPES)


def test_what_is_written_is_read_again() -> None:
    assert read_scopes(write_scopes(SCOPES)) == SCOPES


@pytest.mark.parametrize("text", ["", " ", "a  b", " a", "a ", "a a"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        read_scopes(text)


def test_a_scope_that_is_not_held_is_refused_by_name() -> None:
    require_scope(frozenset({INQUIRIES_READ}), INQUIRIES_READ)

    with pytest.raises(InsufficientScopeError, match=INQUIRIES_WRITE):
        require_scope(frozenset({INQUIRIES_READ}), INQUIRIES_WRITE)
