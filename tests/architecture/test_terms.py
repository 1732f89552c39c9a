"""Nothing is kept without a term: every table of the schema stands in the table of terms."""

from gateway.jobs.term import Ender
from gateway.jobs.terms import TERMS
from gateway.storage.database import Database, fetch

_TABLES = """
    SELECT c.relname AS name FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND NOT c.relispartition
"""


async def test_every_table_has_a_term_and_every_term_a_table(database: Database) -> None:
    async with database.read() as connection:
        there = {row["name"] for row in await fetch(connection, _TABLES)}

    assert there == {table for term in TERMS for table in term.tables}


def test_every_term_has_one_name_and_something_that_ends_it() -> None:
    names = [term.name for term in TERMS]

    assert sorted(names) == sorted(set(names))
    for term in TERMS:
        assert bool(term.days) == (term.ender is Ender.DAYS), term.name
        # What is no row of any table is a key in the key store, or a file.
        is_counted = bool(term.rows or term.days or not term.tables)
        assert is_counted or term.ender is Ender.OWNER, term.name
