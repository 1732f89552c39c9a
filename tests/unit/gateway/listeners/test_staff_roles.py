"""The golden table: which role may ask which route of the staff listener."""

import csv
import io
from pathlib import Path

from gateway.domain.staff import NOBODY_YET, Role, StaffPermission, permissions_of
from gateway.listeners.staff.app import ROUTES
from gateway.listeners.staff.identity import AT_THAT_MOMENT

GOLDEN = Path(__file__).parents[3] / "golden" / "staff_roles.csv"


def table() -> str:
    """Return the table as the code has it: a row a route, a column a role."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "path", "permission", "proof", *Role])
    for route in sorted(ROUTES, key=lambda route: (route.path, route.method)):
        permission = StaffPermission(route.permission)
        proof = "credential" if permission in AT_THAT_MOMENT else "session"
        if permission in NOBODY_YET:
            proof = "enrolment-code"
        may = ["yes" if permission in permissions_of([role]) else "" for role in Role]
        writer.writerow([route.method, route.path, route.permission, proof, *may])
    return out.getvalue()


def test_who_may_ask_what_is_as_it_was_agreed() -> None:
    assert table() == GOLDEN.read_text(encoding="utf-8")


def test_every_route_has_a_permission_of_the_enum_and_every_permission_a_route() -> None:
    asked = {StaffPermission(route.permission) for route in ROUTES}

    # Asked inside a route, beside that route's own permission.
    inside = {StaffPermission.RECORDS_SEARCH_PERSON, StaffPermission.RECORDS_OPEN}
    assert asked == set(StaffPermission) - inside


def test_no_persons_number_stands_in_a_path_or_a_query() -> None:
    for route in ROUTES:
        assert "number" not in route.path
        fields: tuple[str, ...] = getattr(route.query, "__struct_fields__", ())
        assert not any("number" in name or "code" in name for name in fields)
