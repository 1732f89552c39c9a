"""Writes docs/reference from the code: `make reference`. A test compares what stands there.

Everything here comes from types, tables and docstrings, so it cannot say what the program
does not do; docs/reference/bundle.md alone is written by hand.
"""

import importlib
import json
import pkgutil
import re
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.metrics import MetricWrapperBase

import gateway
from gateway import metrics, settings
from gateway.cli.main import build_app
from gateway.domain.staff import Role, StaffPermission, permissions_of
from gateway.errors import SekishoError
from gateway.jobs.terms import TERMS
from gateway.wire.openapi import openapi_document
from gateway.wire.problems import PROBLEM_TYPES
from tests.tools.tree import ROOT
from tests.tools.zones import ZONES

FOLDER: Final = ROOT / "docs" / "reference"
EXAMPLE: Final = ROOT / "config" / "gateway.example.toml"
_GENERATED: Final = "<!-- Written by `make reference`; change the code, not this file. -->\n"
_SERIES: Final = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
}
_KEY_LINE: Final = re.compile(r"^(?:# )?(?P<key>[a-z_]+) = (?P<rest>.*)$")
_TABLE_LINE: Final = re.compile(r"^(?:# )?\[(?P<table>[a-z0-9_.]+)\]")


def documents() -> dict[str, str]:
    """Return every generated file by its name in docs/reference."""
    found = {
        "cli.md": cli_reference(),
        "metrics.md": metrics_reference(),
        "problems.md": problems_reference(),
        "retention.md": retention_reference(),
        "roles.md": roles_reference(),
        "routes.md": routes_reference(),
        "settings.md": settings_reference(),
    }
    for zone in ZONES:
        found[f"openapi-{zone}.json"] = openapi_reference(zone)
    return found


def cli_reference() -> str:
    """Return every command as the program's own help tells it."""
    # Whoever asks by `python -m` is named in the usage lines; that is not for the reader.
    told = re.sub(r" -m [\w.]+", "", build_app().generate_docs(output_format="markdown"))
    return _GENERATED + "\n".join(line.rstrip() for line in told.splitlines()) + "\n"


def openapi_reference(zone: str) -> str:
    """Return the OpenAPI document of one listener, as it serves it, one member a line."""
    document = openapi_document(
        [route.operation() for route in ZONES[zone]],
        title=f"Sekisho {zone}",
        version=version("sekisho"),
    )
    plain = msgspec.json.decode(msgspec.json.encode(document))
    return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def routes_reference() -> str:
    """Return the golden table: listener, method, path, who may ask."""
    text = (
        "# Routes and who may ask\n\nA route of one listener does not exist on another; only "
        "`GET /openapi.json` is on all. `core`, `resident-network` and `witness` are the network "
        "listeners of those roles, `core-staff` is the staff listener of a core that has one.\n"
    )
    for zone, routes in ZONES.items():
        rows = sorted(
            (route.path, route.method, str(route.permission), route.summary) for route in routes
        )
        text += f"\n## {zone}\n\n" + _table(
            ("method", "path", "permission", "what"),
            [
                (method, f"`{path}`", f"`{permission}`", summary)
                for path, method, permission, summary in rows
            ],
        )
    return _GENERATED + text


def roles_reference() -> str:
    """Return the golden table of what each role of staff may do."""
    rows = [
        (
            f"`{permission}`",
            *("yes" if permission in permissions_of([role]) else "" for role in Role),
        )
        for permission in StaffPermission
    ]
    return (
        _GENERATED
        + "# Roles of staff\n\nWhat is empty is refused. `credential:enrol` is done with an"
        " enrolment code, before there is a credential. Which route needs which permission:"
        " routes.md.\n\n" + _table(("permission", *(str(role) for role in Role)), rows)
    )


def problems_reference() -> str:
    """Return the catalogue of problem types with what each means here."""
    meanings = problem_meanings()
    rows = [
        (f"`{kind.slug}`", str(kind.status), kind.title, "; ".join(meanings.get(kind.slug, ())))
        for kind in sorted(PROBLEM_TYPES.values(), key=lambda kind: (kind.status, kind.slug))
    ]
    return (
        _GENERATED
        + "# Problem types\n\nErrors are RFC 9457 problem documents; `type` is one of these slugs,"
        " kept for ever. `reason` beside it, where there is one, is the slug of the rule or of the"
        " check that refused: those of the law stand in `policies/model.py` (`Reason`).\n\n"
        + _table(("type", "status", "title", "when"), rows)
    )


def retention_reference() -> str:
    """Return the table of terms: what is kept, how long, why, and who ends it."""
    rows = [
        (
            f"`{term.name}`",
            term.what,
            term.kept,
            term.ground,
            str(term.ender),
            ", ".join(f"`{table}`" for table in term.tables),
        )
        for term in TERMS
    ]
    return (
        _GENERATED
        + "# Terms of everything that is kept\n\nOne job ends what is past its term, in one worker"
        " of an instance at a time; `sekisho retention plan` says what is due. A term counts from"
        " the instant its row names, not from the job's turn: what is expired counts as gone, also"
        " before it is deleted.\n\n"
        + _table(("term", "what", "kept", "ground", "ended by", "tables"), rows)
    )


def problem_meanings() -> dict[str, list[str]]:
    """Return for every slug the first sentences of the errors that carry it."""
    meanings: dict[str, set[str]] = {}
    for error in all_errors():
        meanings.setdefault(error.problem, set()).add(_first_sentence(error.__doc__ or ""))
    return {slug: sorted(said) for slug, said in meanings.items()}


def all_errors() -> list[type[SekishoError]]:
    """Return every error class of the program."""
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [SekishoError]
    for kind in _below(SekishoError):
        if kind.__module__.startswith("gateway.") and kind not in found:
            found.append(kind)
    return found


def all_metrics() -> list[MetricWrapperBase]:
    """Return every metric of the program, in the order of its module."""
    return [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def series_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of a metric as Prometheus sees them."""
    return tuple(f"{name_of(metric)}{end}" for end in _SERIES[kind_of(metric)])


def name_of(metric: MetricWrapperBase) -> str:
    """Return a metric's name without the endings of its series."""
    return str(vars(metric)["_name"])


def kind_of(metric: MetricWrapperBase) -> str:
    """Return counter, gauge or histogram."""
    return str(metric._type)


def labels_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of a metric's labels."""
    return tuple(vars(metric)["_labelnames"])


def metrics_reference() -> str:
    """Return every metric: its series, type, labels and help."""
    rows = [
        (
            f"`{series_of(metric)[0] if kind_of(metric) != 'histogram' else name_of(metric)}`",
            kind_of(metric),
            ", ".join(f"`{label}`" for label in labels_of(metric)) or "none",
            str(vars(metric)["_documentation"]),
        )
        for metric in all_metrics()
    ]
    return (
        _GENERATED
        + "# Metrics\n\n`GET /metrics` of the `ops` listener gives the values of all processes of a"
        " run. Units are in the names; no label names a person, a client's number or anything a"
        " caller chose.\n\n" + _table(("name", "type", "labels", "what"), rows)
    )


def settings_reference() -> str:
    """Return every key of the settings file with type, default and what the example says."""
    comments = example_comments()
    text = (
        "# Settings\n\nOne TOML file an instance; unknown keys are refused; paths are taken from "
        "the file's folder. The complete commented file is `config/gateway.example.toml`.\n"
    )
    for table, section in settings_tables():
        keys = [
            field for field in msgspec.structs.fields(section) if _section_of(field.type) is None
        ]
        if not keys:
            continue
        said = _first_sentence(section.__doc__ or "")
        text += f"\n## {f'[{table}]' if table else 'Top level'}\n\n{said}\n\n"
        text += _table(
            ("key", "type", "default", "what"),
            [
                (
                    f"`{field.encode_name}`",
                    _type_name(field.type),
                    _default(field),
                    _said_of(table, field.encode_name, comments),
                )
                for field in keys
            ],
        )
    return _GENERATED + text


def settings_tables() -> list[tuple[str, type[settings.Section]]]:
    """Return every table of the settings file by its dotted name, the top level first."""
    return list(_tables_below("", settings.Settings))


def example_comments() -> dict[tuple[str, str], str]:
    """Return what the example file says of each key, by table and key."""
    found: dict[tuple[str, str], str] = {}
    table, last = "", None
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := _TABLE_LINE.match(line):
            table, last = header["table"], None
        elif key := _KEY_LINE.match(line):
            last = (table, key["key"])
            found[last] = _comment(key["rest"])
        elif last is not None and re.match(r"\s+# ", line):
            found[last] = f"{found[last]} {line.strip().removeprefix('# ')}"
        else:
            last = None
    return found


def _tables_below(
    name: str, section: type[settings.Section]
) -> Iterator[tuple[str, type[settings.Section]]]:
    yield name, section
    for field in msgspec.structs.fields(section):
        inner = _section_of(field.type)
        if inner is not None:
            yield from _tables_below(
                f"{name}.{field.encode_name}" if name else field.encode_name, inner
            )


def _section_of(type_: object) -> type[settings.Section] | None:
    """Return the section a field holds, also an optional one."""
    for part in (type_, *typing.get_args(type_)):
        if isinstance(part, type) and issubclass(part, settings.Section):
            return part
    return None


def _said_of(table: str, key: str, comments: Mapping[tuple[str, str], str]) -> str:
    """Return what the example says of a key, here or where the same table stands first."""
    last = table.rpartition(".")[2]
    same = [said for (other, name), said in comments.items() if name == key and said]
    here = comments.get((table, key), "")
    return (here or (same[0] if last == "limits" and same else "")).replace("|", "\\|")


def _comment(rest: str) -> str:
    """Return the comment behind a value; a # inside a text is none."""
    for start in (match.start() for match in re.finditer("#", rest)):
        try:
            tomllib.loads(f"x = {rest[:start]}")
        except tomllib.TOMLDecodeError:
            continue
        return rest[start + 1 :].strip()
    return ""


def _type_name(type_: object) -> str:
    parts = typing.get_args(type_)
    if type_ is None or type_ is type(None):
        return "absent"
    if typing.get_origin(type_) is typing.Literal:
        return " \\| ".join(f"`{part}`" for part in parts)
    if hasattr(type_, "__metadata__"):
        return f"{_type_name(parts[0])}{_limits(type_.__metadata__)}"
    if parts:
        return " or ".join(_type_name(part) for part in parts)
    return {Path: "path", str: "text", int: "integer", float: "number", bool: "true or false"}[
        typing.cast("type", type_)  # whatever is left is a plain class
    ]


def _limits(metadata: Iterable[object]) -> str:
    said = ""
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            bounds = (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt))
            said += "".join(f", {sign} {bound}" for sign, bound in bounds if bound is not None)
            said += f", `{meta.pattern}`" if meta.pattern is not None else ""
    return said


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**required**"
    if field.default is None:
        return "absent"
    shown = json.dumps(field.default) if not isinstance(field.default, Path) else field.default
    return f"`{shown}`"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell for cell in line)} |\n" for line in lines)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n", 1)[0].split())
    return paragraph.replace("|", "\\|")


def _below(error: type[SekishoError]) -> Iterator[type[SekishoError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _below(kind)


def main() -> None:
    """Write every generated file and drop those that are generated no more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for old in FOLDER.glob("openapi-*.json"):
        if old.name not in wanted:
            old.unlink()


if __name__ == "__main__":
    main()
