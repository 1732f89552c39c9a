"""A permit and what its parties say of it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from certs.permits import Permit
from codes.canonical import instant, parse_instant
from gateway.flows.record_types import Recorded
from tests.integration.core.answers import a_person, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import NAGAOKA, UNION, AskedInquiry, Member, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A permit and what its parties record of it."""

    asked: AskedInquiry
    permit: Permit

    def a_moment_later(self) -> str:
        """Return an instant of the same day, or of the next, that is not the permit's."""
        return instant(parse_instant(self.permit.requested_at) + timedelta(milliseconds=1))

    def provision(self, **changes: object) -> dict[str, object]:
        permit = self.permit
        return {
            "permit_id": permit.permit_id,
            "permit_leaf": permit.permit_leaf,
            "inquiry_leaf": permit.inquiry_leaf,
            "inquirer": UNION,
            "outcome": "no-information",
            "requested_at": permit.requested_at,
            "subject_p": permit.subject_p,
            "information": {
                "term": permit.information.term,
                "scope": permit.information.scope,
                "items": list(permit.information.items),
            },
            "law_day": permit.law_day,
            "law_version": permit.law_version,
            "non_disclosure": 0,
            "non_disclosure_provider": 1,
        } | changes

    def delivery(self, provision: Recorded, **changes: object) -> dict[str, object]:
        return {
            "permit_id": self.permit.permit_id,
            "provision_leaf": provision.leaf_hash.hex(),
            "inquirer": UNION,
            "outcome": "no-information",
        } | changes

    def receipt(self, answer: str, **changes: object) -> dict[str, object]:
        return {
            "inquiry_leaf": self.asked.leaf,
            "peer": NAGAOKA,
            "answer_leaf": answer,
            "outcome": "no-information",
            "permit_id": self.permit.permit_id,
        } | changes


@pytest.fixture
async def exchange(world: World, core: Core, union: Member) -> Exchange:
    """One permit, newly granted."""
    asked = await union.ask((await a_person(core))[1])
    answer = await union.permits(asked)
    return Exchange(asked=asked, permit=token_of(world, union, answer.tokens[0]).permits[0])
