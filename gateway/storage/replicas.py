"""Rows of replicas as the provider reads them; what they say is still in its boxes.

Of a record the newest applied generation counts whose publication has begun (公開期間の世代管理).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, LiteralString

from gateway.storage.database import Connection

TABLE: Final = "replicas"
ITEMS: Final = "items"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRow:
    """One record about one person."""

    record_key: str
    generation: int
    period_from: date | None
    period_to: date | None
    published_from: date
    published_until: date | None
    key_year: int
    items_box: bytes = field(repr=False)


_REPLICAS_FOR: Final[LiteralString] = """
    WITH newest AS (
        SELECT DISTINCT ON (r.subject, r.term, r.record_key)
               r.subject, r.term, r.record_key, r.generation, r.is_deletion, r.period_from,
               r.period_to, r.published_from, r.published_until, r.key_year, r.items_box
          FROM unnest($1::bytea[], $2::text[]) AS w (subject, term)
          JOIN replicas AS r ON r.subject = w.subject AND r.term = w.term
          JOIN replica_batches AS b ON b.generation = r.generation AND b.state = 'applied'
         WHERE r.published_from <= $3
         ORDER BY r.subject, r.term, r.record_key, r.generation DESC, r.ordinal DESC
    )
    SELECT subject, term, record_key, generation, period_from, period_to, published_from,
           published_until, key_year, items_box
      FROM newest
     WHERE NOT is_deletion AND (published_until IS NULL OR published_until >= $3)
     ORDER BY record_key
"""


async def replicas_for(
    connection: Connection, wanted: Sequence[tuple[bytes, str]], *, today: date
) -> dict[tuple[bytes, str], list[ReplicaRow]]:
    """Return what is published today, by person and term (公開日〜公開終了日, both included)."""
    found: dict[tuple[bytes, str], list[ReplicaRow]] = defaultdict(list)
    subjects = [subject for subject, _ in wanted]
    terms = [term for _, term in wanted]
    for row in await connection.fetch(_REPLICAS_FOR, subjects, terms, today):
        found[row["subject"], row["term"]].append(
            ReplicaRow(
                record_key=row["record_key"],
                generation=row["generation"],
                period_from=row["period_from"],
                period_to=row["period_to"],
                published_from=row["published_from"],
                published_until=row["published_until"],
                key_year=row["key_year"],
                items_box=row["items_box"],
            )
        )
    return dict(found)


def place(subject: bytes, term: str, record_key: str) -> str:
    """Return the row id that a record's box is bound to."""
    return f"{subject.hex()}/{term}/{record_key}"
