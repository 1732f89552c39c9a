"""Every route of every listener names who may ask, and stands on one listener alone."""

from collections import Counter

import pytest

from gateway.domain.scopes import SCOPES
from gateway.domain.staff import StaffPermission
from gateway.http.members import CORE_ONLY, GATEWAY_ONLY, MEMBER, RESIDENT_NETWORK_ONLY
from gateway.http.routes import PUBLIC
from tests.tools.zones import CORE_ZONES, GATEWAY_ZONES, ZONES

_MEMBERS = {str(one) for one in (CORE_ONLY, GATEWAY_ONLY, MEMBER, RESIDENT_NETWORK_ONLY)}
# Which words each listener knows; a permission of another listener would let nobody in, or all.
_KNOWN: dict[str, set[str]] = {
    "backoffice": {*SCOPES, "backoffice:certificate", "backoffice:client"},
    "network": _MEMBERS,
    "staff": {str(permission) for permission in StaffPermission},
    "ops": {str(PUBLIC)},
    "core": _MEMBERS,
    "core-staff": {str(permission) for permission in StaffPermission},
    "witness": _MEMBERS,
    "resident-network": {"resident-network:registry"},
}
# A person's number or code never stands in a path or query (DESIGN §5).
_PLACES_IN_PATHS = {"id", "month", "origin", "tile"}


@pytest.mark.parametrize("zone", ZONES)
def test_every_route_names_a_permission_of_its_own_listener(zone: str) -> None:
    named = {f"{row.method} {row.path}": str(row.permission) for row in ZONES[zone]}

    assert named
    assert {route: word for route, word in named.items() if word not in _KNOWN[zone]} == {}


@pytest.mark.parametrize("zones", [GATEWAY_ZONES, CORE_ZONES], ids=["gateway", "core"])
def test_no_route_exists_on_two_listeners_of_one_instance(zones: tuple[str, ...]) -> None:
    places = Counter((row.method, row.path) for zone in zones for row in ZONES[zone])

    assert [place for place, count in places.items() if count > 1] == []


def test_only_operations_answers_without_asking_who() -> None:
    public = {zone for zone, routes in ZONES.items() for row in routes if row.permission == PUBLIC}

    assert public == {"ops"}


def test_no_path_and_no_query_has_room_for_a_person() -> None:
    words = ("subject", "unified", "number", "code", "resident", "name")
    asked = {
        f"{zone} {row.path} ?{field}"
        for zone, routes in ZONES.items()
        for row in routes
        if row.query is not None
        for field in getattr(row.query, "__struct_fields__", ())
        if any(word in field for word in words)
    }
    in_paths = {
        part
        for routes in ZONES.values()
        for row in routes
        for part in row.path.split("/")
        if part.startswith("{") and part.strip("{}").partition(":")[0] not in _PLACES_IN_PATHS
    }

    assert asked == set()
    assert in_paths == set()


def test_every_operation_has_a_name_of_its_own_within_its_listener() -> None:
    twice = {
        (zone, name): count
        for zone, routes in ZONES.items()
        for name, count in Counter(row.name for row in routes).items()
        if count > 1
    }

    assert twice == {}
