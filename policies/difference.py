"""What the law of one day permits and that of another does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from policies.allow_list import AllowList
from policies.model import Procedure
from policies.places import citation_on, scope_citation

Line = tuple[str, str, str, str, str]


def diff(law: AllowList, day_a: date, day_b: date) -> dict[str, object]:
    """Return what is permitted on `day_b` only and on `day_a` only, and which numbers moved.

    Procedures keep their ids, so a renumbering is a move, never an end and a beginning.
    """
    before, after = dict(_lines(law, day_a)), dict(_lines(law, day_b))
    return {
        "from": day_a.isoformat(),
        "to": day_b.isoformat(),
        "permitted": [_line_json(line, after[line]) for line in sorted(after.keys() - before)],
        "withdrawn": [_line_json(line, before[line]) for line in sorted(before.keys() - after)],
        "moved": _moved(law, day_a, day_b),
        "begun": _in_force(law, day_b, not_on=day_a),
        "ended": _in_force(law, day_a, not_on=day_b),
        "rows_deleted": sorted(
            row.row_no for row in law.facts.deleted_rows if day_a < row.from_ <= day_b
        ),
    }


def _lines(law: AllowList, day: date) -> Iterator[tuple[Line, str]]:
    """Yield each permitted (procedure, inquirers, providers, term, scope) and where it stands."""
    if not law.has_law_for(day):
        return
    for procedure in law.facts.procedures:
        citation = citation_on(procedure, day)
        for cell in law.cells_of.get(procedure.id, ()):
            for scope in cell.scopes:
                if cell.holds_on(day) and scope.holds_on(day):
                    refs = procedure.inquirer_limit or cell.grant.inquirers
                    inquirers = "、".join(law.classes.name(ref.key) for ref in refs)
                    providers = "、".join(law.classes.name(r.key) for r in cell.grant.providers)
                    term = law.terms[scope.term].ja if scope.term else ""
                    line = (procedure.id, inquirers, providers, term, scope.ja)
                    yield line, law.show(scope_citation(citation, scope, day))


def _line_json(line: Line, citation: str) -> dict[str, object]:
    names = ("procedure", "inquirers", "providers", "information", "scope")
    return {**dict(zip(names, line, strict=True)), "citation": citation}


def _moved(law: AllowList, day_a: date, day_b: date) -> list[dict[str, object]]:
    return [
        {"procedure": found.id, "from": before, "to": after}
        for found in _procedures(law)
        if found.holds_on(day_a) and found.holds_on(day_b)
        for before in (law.show(citation_on(found, day_a)),)
        for after in (law.show(citation_on(found, day_b)),)
        if before != after
    ]


def _in_force(law: AllowList, day: date, *, not_on: date) -> list[dict[str, object]]:
    return [
        {"procedure": found.id, "citation": law.show(citation_on(found, day))}
        for found in _procedures(law)
        if found.holds_on(day) and not found.holds_on(not_on)
    ]


def _procedures(law: AllowList) -> list[Procedure]:
    return sorted(law.facts.procedures, key=lambda found: found.id)
