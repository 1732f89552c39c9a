import re
from typing import Any

import msgspec
import pytest

from gateway.http.routes import PUBLIC, Call, Permission, Route
from gateway.wire.openapi import openapi_document


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thing."""

    name: str
    parts: tuple["Part", ...] = ()


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a thing."""

    count: int


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page."""

    after: str | None = None
    limit: int = 50


async def create_thing(_call: Call[None, None], body: Thing) -> Thing:
    """Make a thing."""
    return body


async def list_things(_call: Call[None, None]) -> None:
    """List things."""


WRITE = Permission("thing:write")
CREATE = Route(
    method="POST",
    path="/v1/things",
    handler=create_thing,
    permission=WRITE,
    summary="Make a thing",
    request=Thing,
    response=Thing,
    headers=("Idempotency-Key",),
    statuses=(201, 202),
    problems=("idempotency-mismatch",),
)
LIST = Route(
    method="GET",
    path="/v1/things/{id}",
    handler=list_things,
    permission=PUBLIC,
    summary="List",
    query=Page,
    statuses=(204,),
)


def document() -> dict[str, Any]:
    made = openapi_document([CREATE.operation(), LIST.operation()], title="t", version="1")
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
    return decoded


def test_a_row_becomes_an_operation_with_its_types_and_permission() -> None:
    operation = document()["paths"]["/v1/things"]["post"]

    assert operation["operationId"] == "create_thing"
    assert operation["x-permission"] == "thing:write"
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }
    assert operation["parameters"][0]["in"] == "header"
    assert set(operation["responses"]) >= {"201", "202", "401", "403", "413", "415", "422", "503"}
    assert "idempotency-mismatch" in operation["responses"]["422"]["description"]


def test_path_and_query_become_parameters() -> None:
    operation = document()["paths"]["/v1/things/{id}"]["get"]

    names = [(one["in"], one["name"], one["required"]) for one in operation["parameters"]]
    assert names == [("path", "id", True), ("query", "after", False), ("query", "limit", False)]
    assert "401" not in operation["responses"]


def test_every_reference_leads_somewhere() -> None:
    made = document()

    found = re.findall(r'"#/components/schemas/(\w+)"', msgspec.json.encode(made).decode())
    assert set(found) <= set(made["components"]["schemas"])
    assert {"Thing", "Part", "Problem"} <= set(found)


def test_the_order_of_rows_does_not_matter() -> None:
    other = openapi_document([LIST.operation(), CREATE.operation()], title="t", version="1")

    assert msgspec.json.encode(other) == msgspec.json.encode(
        openapi_document([CREATE.operation(), LIST.operation()], title="t", version="1")
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"problems": ("no-such-problem",)}, "catalogue"),
        ({"permission": Permission("")}, "permission"),
        ({"statuses": ()}, "status"),
        ({"method": "PATCH"}, "method or path"),
        ({"path": "v1/things"}, "method or path"),
        ({"request": None}, "takes 2 arguments"),
        ({"handler": list_things}, "takes 1 arguments"),
    ],
)
def test_a_row_that_could_not_be_served_is_refused(change: dict[str, Any], words: str) -> None:
    row = {name: getattr(CREATE, name) for name in Route.__dataclass_fields__}

    with pytest.raises(ValueError, match=words):
        Route(**(row | change))
