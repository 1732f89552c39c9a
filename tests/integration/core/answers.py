"""How the tests read what the core answered."""

from certs.permits import PermitToken, verify_permit_token
from codes.network_code import NetworkCode
from gateway.demo import cast
from gateway.wire.network import PermitsAnswer
from tests.integration.core.conftest import Core
from tests.integration.core.world import NAGAOKA, UNION, Member, World


def token_of(world: World, member: Member, text: str) -> PermitToken:
    """Return the claims of a token as the provider would verify them."""
    directory = member.context.trust.directory
    return verify_permit_token(
        text,
        keys=directory.permit_keys_at,
        issuer=cast.CORE,
        audience=NAGAOKA,
        now=world.clock.now(),
    )


def reason_of(answer: PermitsAnswer, place: int = 0) -> str | None:
    """Return the refusal's reason of one result."""
    result = answer.results[place].result
    assert result is not None, answer.results[place].problem
    assert result.kind == "refusal"
    return result.reason


async def a_person(core: Core) -> tuple[bytes, NetworkCode]:
    person = await core.enrol(UNION, NAGAOKA)
    return person, core.code(person, UNION)
