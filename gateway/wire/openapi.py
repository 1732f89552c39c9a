"""The OpenAPI 3.1 document of a listener, made from its operations and their types."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from gateway.wire.problems import PROBLEM_JSON, PROBLEM_TYPES, Problem

OPENAPI_VERSION: Final = "3.1.0"
_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
# What the edge itself can answer, before and around any handler.
_ALWAYS: Final = ("too-many-requests", "internal-error", "unavailable", "draining")
_WITH_CALLER: Final = ("not-authenticated", "not-permitted")
_WITH_QUERY: Final = ("invalid-query",)
_WITH_BODY: Final = ("body-too-large", "unsupported-media-type", "request-timeout")
_WITH_SHAPE: Final = ("malformed-json", "invalid-body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is said about one route, without the code that answers it."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    permission: str
    is_public: bool
    request: type | None
    takes: str
    response: type | None
    gives: str
    query: type | None
    headers: tuple[str, ...]
    answer_headers: tuple[str, ...]
    statuses: tuple[int, ...]
    problems: tuple[str, ...]

    def all_problems(self) -> tuple[str, ...]:
        """Return every slug this operation can answer, its own first."""
        slugs = dict.fromkeys(self.problems)
        slugs |= dict.fromkeys(_WITH_QUERY)
        if not self.is_public:
            slugs |= dict.fromkeys(_WITH_CALLER)
        if self.method in {"POST", "PUT"}:
            slugs |= dict.fromkeys(_WITH_BODY)
        if self.request is not None and self.request is not bytes:
            slugs |= dict.fromkeys(_WITH_SHAPE)
        return tuple(slugs | dict.fromkeys(_ALWAYS))


def openapi_document(
    operations: Iterable[Operation], *, title: str, version: str
) -> dict[str, object]:
    """Return the document; the same operations give the same document, byte for byte."""
    rows = sorted(operations, key=lambda row: (row.path, row.method))
    schemas, components = _schemas(rows)
    paths: dict[str, dict[str, object]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas, components)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _schemas(
    rows: list[Operation],
) -> tuple[dict[type, Mapping[str, object]], dict[str, object]]:
    """Return the schema of each type that is used, and the components these refer to."""
    used = dict.fromkeys(
        type_
        for row in rows
        for type_ in (row.request, row.response, row.query)
        if type_ is not None and type_ is not bytes
    )
    types = [Problem, *used]
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=_any_value, ref_template=_REFERENCE
    )
    return dict(zip(types, schemas, strict=True)), dict(components)


def _any_value(type_: type) -> dict[str, object]:
    """Describe the one type that msgspec leaves to us: `object` is any JSON value."""
    if type_ is not object:
        raise TypeError(f"no JSON: {type_.__qualname__}")
    return {"description": "any JSON value"}


def _operation(
    row: Operation, schemas: Mapping[type, Mapping[str, object]], components: Mapping[str, object]
) -> dict[str, object]:
    document: dict[str, object] = {
        "operationId": row.name,
        "summary": row.summary,
        "description": row.description,
        "x-permission": row.permission,
        "responses": _responses(row, schemas),
    }
    parameters = [*_path_parameters(row), *_query_parameters(row, schemas, components)]
    parameters += [_parameter(name, "header", {"type": "string"}) for name in row.headers]
    if parameters:
        document["parameters"] = parameters
    if row.request is not None:
        schema = {} if row.request is bytes else schemas[row.request]
        document["requestBody"] = {"required": True, "content": {row.takes: {"schema": schema}}}
    elif row.method in {"POST", "PUT"} and row.takes != "application/json":
        document["requestBody"] = {"required": True, "content": {row.takes: {}}}
    return document


def _path_parameters(row: Operation) -> list[dict[str, object]]:
    return [
        _parameter(name, "path", {"type": "string"}, required=True)
        for name in _PATH_PARAMETER.findall(row.path)
    ]


def _query_parameters(
    row: Operation, schemas: Mapping[type, Mapping[str, object]], components: Mapping[str, object]
) -> list[dict[str, object]]:
    if row.query is None:
        return []
    schema: object = schemas[row.query]
    if isinstance(schema, Mapping) and "$ref" in schema:
        schema = components[str(schema["$ref"]).rsplit("/", 1)[1]]
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(schema, Mapping) or not isinstance(properties, Mapping):
        raise TypeError(f"{row.name}: a query is a struct")
    required = schema.get("required", ())
    return [
        _parameter(name, "query", described, required=name in required)
        for name, described in properties.items()
    ]


def _parameter(
    name: str, place: str, schema: object, *, required: bool = False
) -> dict[str, object]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _responses(row: Operation, schemas: Mapping[type, Mapping[str, object]]) -> dict[str, object]:
    responses: dict[str, object] = {}
    contents: dict[int, dict[str, object]] = {}
    for status in row.statuses:
        content = contents[int(status)] = {}
        if row.response is not None and status != HTTPStatus.NO_CONTENT:
            schema = {} if row.response is bytes else schemas[row.response]
            content[row.gives] = {"schema": schema}
        phrase = HTTPStatus(status).phrase
        answer: dict[str, object] = {"description": phrase, "content": content}
        if row.answer_headers:
            text = {"schema": {"type": "string"}}
            answer["headers"] = dict.fromkeys(row.answer_headers, text)
        responses[str(int(status))] = answer
    by_status: dict[int, list[str]] = {}
    for slug in row.all_problems():
        by_status.setdefault(PROBLEM_TYPES[slug].status, []).append(slug)
    for status, slugs in sorted(by_status.items()):
        content = contents.setdefault(status, {})
        content[PROBLEM_JSON] = {"schema": schemas[Problem]}
        description = ", ".join(sorted(slugs))
        responses[str(status)] = {"description": description, "content": content}
    return responses
