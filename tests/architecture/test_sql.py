"""SQL against the migrated schema: every query prepares, and the running role stays small."""

import ast
import importlib
import re

import asyncpg
import pytest

from gateway.storage.database import Database, fetch
from gateway.storage.migrate import APP_ROLE
from tests.conftest import Dsns
from tests.tools.tree import dotted, module_name, modules

_STATEMENT = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|GRANT|LOCK|MERGE)\b")
# Run by the owner, when the schema grows.
_OF_THE_OWNER = frozenset({"gateway.storage.migrate"})
# What a record is made of: written once, never changed (DESIGN §4).
_RECORDS = (
    *("log_entries", "log_months", "log_tiles", "peer_checkpoints"),
    *("corrections", "corrections_received"),
    *("core_documents", "core_directories", "core_inquiries", "core_outcomes"),
)

_PRIVILEGES = """
    SELECT c.relname, p.privilege
      FROM pg_class c
     CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p(privilege)
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
       AND (c.relname = ANY($2) OR c.oid IN (
             SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent::regclass::text = ANY($2)))
       AND has_table_privilege($1, c.oid, p.privilege)
"""
_OWNED = """
    SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relowner = $1::regrole
    UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.proowner = $1::regrole
    UNION ALL
    SELECT n.nspname FROM pg_namespace n WHERE n.nspowner = $1::regrole
    UNION ALL
    SELECT d.datname FROM pg_database d WHERE d.datdba = $1::regrole
"""
_DEFINERS = """
    SELECT p.oid::regprocedure::text AS name, coalesce(array_to_string(p.proconfig, ' '), '') AS set
      FROM pg_proc p
     WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
"""
_PARTITIONS = """
    SELECT count(*) FROM pg_inherits WHERE inhparent = 'log_entries'::regclass
"""


def queries() -> dict[str, str]:
    """Return every SQL constant of the storage floor by its place."""
    found = {}
    for path, tree in modules("gateway/storage"):
        for node in tree.body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            if "LiteralString" in {
                dotted(part)
                for part in ast.walk(node.annotation)
                if isinstance(part, ast.Name | ast.Attribute)
            }:
                module = module_name(path)
                value = getattr(importlib.import_module(module), node.target.id)
                if isinstance(value, str):
                    found[f"{module}.{node.target.id}"] = value
    return found


def test_the_constants_of_the_storage_floor_are_found() -> None:
    assert len(queries()) > 50


async def test_every_query_prepares_on_the_migrated_schema(database: Database, dsns: Dsns) -> None:
    failed = {}
    owner = await asyncpg.connect(dsns.owner)
    async with database.read() as running:
        for name, query in queries().items():
            if not _STATEMENT.match(query):
                continue
            of_owner = name.rpartition(".")[0] in _OF_THE_OWNER
            connection = owner if of_owner else running
            try:
                await connection.prepare(query)
            except asyncpg.PostgresError as error:
                failed[name] = str(error)
    await owner.close()

    assert failed == {}


async def test_the_running_role_owns_nothing(database: Database) -> None:
    async with database.read() as connection:
        assert await fetch(connection, _OWNED, APP_ROLE) == []


async def test_the_running_role_cannot_change_a_record(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute("SELECT log_make_months()")
        assert await connection.fetchval(_PARTITIONS) > 0
        granted = await fetch(connection, _PRIVILEGES, APP_ROLE, list(_RECORDS))

    assert [tuple(row) for row in granted] == []


@pytest.mark.parametrize("verb", ["UPDATE log_entries SET leaf = ''", "DELETE FROM log_entries"])
async def test_changing_an_entry_is_refused_by_the_database(database: Database, verb: str) -> None:
    async with database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(verb)


async def test_what_runs_with_the_owners_rights_fixes_its_search_path(database: Database) -> None:
    async with database.read() as connection:
        loose = [
            row["name"]
            for row in await fetch(connection, _DEFINERS)
            if not re.search(r"search_path=(?:pg_catalog|public|\"\")", row["set"])
        ]

    assert loose == []
