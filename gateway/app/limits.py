"""How often each caller of a listener may come: one bucket by organisation, in every worker."""

from collections.abc import Callable
from typing import Protocol

from gateway.clock import Clock
from gateway.http.limits import TokenBuckets
from gateway.settings import HttpLimits


class OfOrganisation(Protocol):
    """A caller that belongs to an organisation."""

    @property
    def organisation(self) -> str:
        """Return the organisation's name."""
        ...


def limit_by_organisation(
    limits: HttpLimits, clock: Clock
) -> Callable[[OfOrganisation | None], None]:
    """Return what counts a request of a caller, or raises `TooManyRequestsError`."""
    buckets = TokenBuckets(
        per_s=limits.requests_per_s, burst=limits.requests_burst, monotonic=clock.monotonic
    )

    def limit(caller: OfOrganisation | None) -> None:
        if caller is not None:
            buckets.take(caller.organisation)

    return limit
