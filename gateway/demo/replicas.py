"""Replicas of the cast, as its systems supply them: plainly invented, the same in every run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.client import BackofficeClient
from gateway.demo.residents import Resident
from gateway.wire.replicas import Batch, BatchHeader

TAX: Final = "TM00000000000002"
ACCOUNT: Final = "TM00000000000089"
BORDER: Final = "XTM0000000000005"
_LAYOUT: Final = "1"
_FROM: Final = "2025-06-01"
_YEAR: Final = {"from": "2026-04-01", "to": "2027-03-31"}

Items = Mapping[str, str | int]


def tax_items(person: Resident) -> Items:
    """Return a person's local taxes: the city's share and the prefecture's."""
    income = 400_000 + 13_000 * (person.rank % 200)
    return {
        "XTK0000010000001": "2026",
        "XTK0000010000002": "課税",
        "XTK0000010000003": 3_000,
        "XTK0000010000004": income * 6 // 100,
        "XTK0000010000007": income,
        "XTK0000010000033": "2026",
        "XTK0000010000035": 1_000,
        "XTK0000010000036": income * 4 // 100,
    }


def account_items(person: Resident) -> Items:
    """Return the account to which a person wants benefits to be paid."""
    return {
        "XTK0000020000001": "9999",
        "XTK0000020000002": "合成銀行",
        "XTK0000020000003": "001",
        "XTK0000020000005": "普通",
        "XTK0000020000006": f"{person.rank:07d}",
        "XTK0000020000007": person.name,
    }


def border_items(person: Resident) -> Items:
    """Return when and where a person last entered the country."""
    return {
        "XTK0000050000001": "入国",
        "XTK0000050000002": f"2026-05-{person.rank % 28 + 1:02d}",
        "XTK0000050000003": "成田空港",
    }


async def supply_taxes(
    client: BackofficeClient, organisation: str, people: Sequence[Resident]
) -> None:
    """Supply a city's replicas of these people's taxes."""
    await supply(
        client,
        TAX,
        (_row(person, organisation, tax_items(person), period=_YEAR) for person in people),
    )


async def supply_accounts(
    client: BackofficeClient, organisation: str, people: Sequence[Resident]
) -> None:
    """Supply the replicas of these people's accounts."""
    await supply(
        client, ACCOUNT, (_row(person, organisation, account_items(person)) for person in people)
    )


async def supply_borders(
    client: BackofficeClient, organisation: str, people: Sequence[Resident]
) -> None:
    """Supply the replicas of these people's entries into the country."""
    await supply(
        client, BORDER, (_row(person, organisation, border_items(person)) for person in people)
    )


async def supply(
    client: BackofficeClient, term: str, rows: Iterable[Mapping[str, object]]
) -> Batch:
    """Send one batch of replicas, which counts whole or not at all.

    Raises:
        GatewayRefusedError: it was refused.
    """
    lines = [msgspec.json.encode(row) for row in rows]
    header = BatchHeader(kind="initial", term=term, layout=_LAYOUT, rows=len(lines), whole=True)
    return await client.load_replicas(header, lines)


def _row(
    person: Resident,
    organisation: str,
    items: Items,
    *,
    period: Mapping[str, str] | None = None,
) -> dict[str, object]:
    return {
        "unified_number": person.unified(organisation).text,
        "record_key": "1",
        "items": items,
        "published_from": _FROM,
        **(period or {}),
    }
