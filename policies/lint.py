"""Doubts about facts and rules that load: nothing wrong, but somebody should look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policies.allow_list import AllowList
from policies.facts import Facts
from policies.release import ReleaseRules, Rule


def lint_facts(facts: Facts) -> list[dict[str, object]]:
    """Return what is refused for want of a review, a member or a cell, one line each."""
    law = AllowList.build(facts, version=0)
    return [{"kind": kind, "what": what} for kind, what in _doubts(law)]


def lint_rules(rules: ReleaseRules) -> list[dict[str, object]]:
    """Return rules that can never say anything of their own."""
    same = Counter(_saying(rule) for rule in rules.rules)
    return [
        {"kind": "rule-said-twice", "what": rule.id}
        for rule in rules.rules
        if same[_saying(rule)] > 1
    ]


def _saying(rule: Rule) -> tuple[object, ...]:
    return (rule.from_, rule.to, rule.when, rule.then, rule.reason, rule.approvals)


def _doubts(law: AllowList) -> Iterator[tuple[str, str]]:
    facts = law.facts
    for found in facts.classes:
        if law.classes.is_empty_open(found.id):
            yield "open-class-without-member", found.ja
    for kind, reviewed in (("scope", facts.scopes), ("cell", facts.grants)):
        for fact in reviewed:
            if fact.review.state == "unsure":
                yield f"{kind}-not-reviewed", fact.id
    for procedure in facts.procedures:
        if not law.cells_of.get(procedure.id):
            yield "procedure-permits-nothing", procedure.id
        if not any(law.grants_of.get(citation.row_no) for citation in procedure.citations):
            yield "procedure-of-no-row", procedure.id
