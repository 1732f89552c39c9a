"""What codes in a record are called: in the directory, in the law's table, in the code tables.

A name is what is called so today. Whoever is listed no more, and a code of another law, keep their
code alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from certs.directory import Directory
from certs.errors import CertsError
from codes.tables import CodeTables, Entry
from policies.allow_list import AllowList


@dataclass(frozen=True, slots=True, kw_only=True)
class FactNames:
    """Names by code."""

    _directory: Directory
    _procedures: dict[str, str]
    _terms: dict[str, str]
    _scopes: dict[str, str]
    _affairs: dict[str, str]
    _items: dict[str, str]

    @classmethod
    def of(cls, directory: Directory, law: AllowList, tables: CodeTables) -> Self:
        """Return the names that a directory, a law and the code tables give."""
        return cls(
            _directory=directory,
            _procedures={procedure.id: procedure.label for procedure in law.facts.procedures},
            _terms={term.id: term.ja for term in law.facts.terms},
            _scopes={scope.id: scope.ja for scope in law.facts.scopes},
            _affairs=_names(tables.affairs),
            _items=_names(tables.items),
        )

    def body(self, code: str) -> str | None:
        """Return what a body is called."""
        try:
            return self._directory.body(code)[1].name
        except CertsError:
            return None

    def affair(self, code: str) -> str | None:
        """Return what an affair (事務) is called."""
        return self._affairs.get(code)

    def procedure(self, code: str) -> str | None:
        """Return what a procedure is called."""
        return self._procedures.get(code)

    def term(self, code: str) -> str | None:
        """Return what a term of information is called."""
        return self._terms.get(code)

    def scope(self, code: str) -> str | None:
        """Return what a procedure narrows a term to."""
        return self._scopes.get(code)

    def item(self, code: str) -> str | None:
        """Return what an item of information is called."""
        return self._items.get(code)


def _names(table: Iterable[Entry]) -> dict[str, str]:
    return {entry.code: entry.name for entry in table}
