"""Permit tokens: forged, expired, altered, for somebody else, and spelt otherwise (PROTOCOL §3)."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from certs.permits import PermitToken
from codes.canonical import b64
from gateway.demo import cast
from gateway.wire.network import ProvisionsRequest
from tests.e2e.adversary.forger import another_key, claims_of, encode, mirrored, signed
from tests.e2e.adversary.rogue import PROVISIONS, Permitted, Reply, Rogue, adds
from tests.e2e.parties import Network


async def present(union: Rogue, permitted: Permitted, token: str) -> Reply:
    """Present a permit honestly but for its token."""
    request = await union.provisions_request(permitted)
    return await union.post(
        cast.NAGAOKA, PROVISIONS, msgspec.structs.replace(request, tokens=[token])
    )


async def refused(union: Rogue, permitted: Permitted, token: str) -> tuple[int, str, str | None]:
    """Return how the item is refused; it is evidence, and the permit stays unused."""
    async with adds(union.network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await present(union, permitted, token)
    async with adds(union.network, cast.NAGAOKA, provision=1, refusal=0):
        honest = await union.present(permitted)
    assert honest.provisions.results[0].result is not None
    return reply.item_problem()


async def test_a_token_of_another_key_is_refused(union: Rogue, core: Rogue) -> None:
    permitted = await union.permitted()
    forged = signed(core, encode(claims_of(permitted.granted.token)), key=another_key())

    assert await refused(union, permitted, forged) == (403, "permit-refused", "token-signature")


async def test_a_token_of_a_key_nobody_published_is_refused(union: Rogue, core: Rogue) -> None:
    permitted = await union.permitted()
    payload = encode(claims_of(permitted.granted.token))
    forged = signed(core, payload, key=another_key(), header={"kid": "f" * 32})

    assert await refused(union, permitted, forged) == (403, "permit-refused", "token-key-unknown")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"typ": "JWT"}, "token-header"),
        ({"typ": None}, "token-header"),
        ({"kid": None}, "token-header"),
        ({"kid": 7}, "token-header"),
        ({"alg": "none"}, "token-header"),
        ({"alg": "HS256"}, "token-header"),
        ({"alg": "ES384"}, "token-header"),
        ({"crit": ["exp"]}, "token-header"),
        ({"jwk": {"kty": "EC"}}, "token-header"),
    ],
)
async def test_another_header_is_refused(
    union: Rogue, core: Rogue, header: dict[str, object], reason: str
) -> None:
    permitted = await union.permitted()
    token = signed(core, encode(claims_of(permitted.granted.token)), header=header)

    assert await refused(union, permitted, token) == (403, "permit-refused", reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": cast.DIGITAL_AGENCY}, "token-audience"),
        ({"aud": [cast.NAGAOKA]}, "token-claims"),
        ({"aud": f"{cast.NAGAOKA} {cast.CORE}"}, "token-claims"),
        ({"iss": cast.NAGAOKA}, "token-issuer"),
        ({"iss": cast.GUNMA_UNION}, "token-issuer"),
        ({"inquirer": cast.IMMIGRATION}, "token-inquirer"),
        ({"exp": "tomorrow"}, "token-claims"),
        ({"exp": 1.5}, "token-claims"),
        ({"admin": 1}, "token-claims"),
        ({"permits": []}, "token-claims"),
        ({"keys": []}, "token-claims"),
        ({"allow_list": "0" * 64}, "token-allow-list"),
    ],
)
async def test_claims_that_are_not_ours_are_refused_though_the_core_signed_them(
    union: Rogue, core: Rogue, change: dict[str, Any], reason: str
) -> None:
    permitted = await union.permitted()
    token = signed(core, encode(claims_of(permitted.granted.token) | change))

    assert await refused(union, permitted, token) == (403, "permit-refused", reason)


async def test_a_token_that_lacks_any_claim_is_refused(union: Rogue, core: Rogue) -> None:
    permitted = await union.permitted()
    claims = claims_of(permitted.granted.token)
    assert set(claims) == set(PermitToken.__struct_fields__)

    for name in claims:
        token = signed(core, encode({key: claims[key] for key in claims if key != name}))
        reply = await present(union, permitted, token)
        assert reply.item_problem() == (403, "permit-refused", "token-claims"), name


async def test_a_permit_that_lacks_any_member_is_refused(union: Rogue, core: Rogue) -> None:
    permitted = await union.permitted()
    claims = claims_of(permitted.granted.token)

    for name in claims["permits"][0]:
        part = {key: value for key, value in claims["permits"][0].items() if key != name}
        token = signed(core, encode(claims | {"permits": [part]}))
        reply = await present(union, permitted, token)
        assert reply.item_problem() == (403, "permit-refused", "token-claims"), name


async def test_a_claim_twice_or_in_another_order_is_refused(union: Rogue, core: Rogue) -> None:
    permitted = await union.permitted()
    claims = claims_of(permitted.granted.token)
    payload = encode(claims)
    spellings = {
        "twice": payload.replace(b'"aud":', b'"aud":"digital-agency","aud":', 1),
        "in another order": json.dumps(dict(reversed(claims.items()))).encode(),
        "with blanks": json.dumps(claims, sort_keys=True).encode(),
        "with escapes": payload.replace(b'"core"', b'"c\\u006fre"', 1),
    }

    for what, spelt in spellings.items():
        reply = await present(union, permitted, signed(core, spelt))
        assert reply.item_problem() == (403, "permit-refused", "token-claims"), what


@pytest.mark.parametrize(
    ("shift", "life", "expected"),
    [
        (-300, 300, (403, "permit-expired", None)),
        (35, 300, (403, "permit-refused", "token-not-yet-valid")),
        (0, 301, (403, "permit-refused", "token-lifetime")),
        (0, 0, (403, "permit-refused", "token-lifetime")),
    ],
)
async def test_a_token_counts_only_in_its_own_five_minutes(
    union: Rogue, core: Rogue, shift: int, life: int, expected: tuple[int, str, str | None]
) -> None:
    permitted = await union.permitted()
    begins = int(datetime.now(UTC).timestamp()) + shift
    change = {"iat": begins, "nbf": begins, "exp": begins + life}
    token = signed(core, encode(claims_of(permitted.granted.token) | change))
    # Only what is refused for good is evidence; an expired token is asked for anew.
    entries = int(expected[1] == "permit-refused")

    async with adds(union.network, cast.NAGAOKA, provision=0, refusal=entries):
        reply = await present(union, permitted, token)
    async with adds(union.network, cast.NAGAOKA, provision=1):
        honest = await union.present(permitted)

    assert reply.item_problem() == expected
    assert honest.provisions.results[0].result is not None


async def test_a_token_of_a_newer_directory_waits_for_it_and_uses_nothing(
    union: Rogue, core: Rogue
) -> None:
    permitted = await union.permitted()
    claims = claims_of(permitted.granted.token)
    newer = claims | {"directory_version": claims["directory_version"] + 1}

    async with adds(union.network, cast.NAGAOKA, provision=0, refusal=0):
        reply = await present(union, permitted, signed(core, encode(newer)))

    assert reply.item_problem() == (409, "directory-behind", None)


async def test_one_altered_character_anywhere_is_refused(union: Rogue) -> None:
    permitted = await union.permitted()
    token = permitted.granted.token
    spots = [*range(0, len(token), len(token) // 120), len(token) - 2]

    for spot in spots:
        altered = "B" if token[spot] != "B" else "C"
        changed = token[:spot] + altered + token[spot + 1 :]
        reply = await present(union, permitted, changed)
        _, slug, reason = reply.item_problem()
        assert slug == "permit-refused", (spot, slug, reason)
        assert str(reason).startswith("token-"), (spot, reason)


async def test_a_second_spelling_of_base64_is_refused(union: Rogue) -> None:
    """The last character of the signature carries four bits that nobody reads."""
    permitted = await union.permitted()
    token = permitted.granted.token
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(token[-1]) ^ 1]

    assert await refused(union, permitted, token[:-1] + other) == (
        403,
        "permit-refused",
        "token-malformed",
    )


async def test_the_mirrored_signature_of_a_used_permit_gets_the_same_bytes_and_no_entry(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()
    first = (await union.present(permitted)).provisions

    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        again = (await present(union, permitted, mirrored(permitted.granted.token))).provisions

    assert again.results[0].result is not None
    assert again.keys == first.keys
    assert again.groups[0].entries == first.groups[0].entries
    assert again.results[0].result.sealed == first.results[0].result.sealed  # type: ignore[union-attr]  # answered


async def test_a_captured_permit_is_refused_to_whoever_else_brings_it(
    network: Network, union: Rogue, immigration: Rogue
) -> None:
    """The thief records an inquiry of its own in just the same words."""
    permitted = await union.permitted()
    own = await immigration.member.record("inquiry", _words_of(permitted))
    stolen = ProvisionsRequest(
        tokens=[permitted.granted.token],
        groups=(await immigration.proven(own)).groups,
        items=[
            msgspec.structs.replace(
                (await union.provisions_request(permitted)).items[0], index=own.index
            )
        ],
    )

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await immigration.post(cast.NAGAOKA, PROVISIONS, stolen)
    honest = await union.present(permitted)

    assert reply.item_problem() == (403, "permit-refused", "token-inquirer")
    assert honest.provisions.results[0].result is not None


async def test_no_token_and_no_permit_of_that_name_are_refused(union: Rogue) -> None:
    permitted, other = await union.permitted(), await union.permitted()
    request = await union.provisions_request(permitted)
    item = request.items[0]
    changed = {
        "no-token": msgspec.structs.replace(item, token=1),
        "no-permit": msgspec.structs.replace(item, permit_id=other.permit_id),
        "no-statement": msgspec.structs.replace(item, index=item.index + 1),
    }

    for reason, asked in changed.items():
        message = msgspec.structs.replace(request, items=[asked])
        reply = await union.post(cast.NAGAOKA, PROVISIONS, message)
        assert reply.item_problem()[2] == reason


async def test_no_text_at_all_passes_for_a_token(union: Rogue) -> None:
    permitted = await union.permitted()
    nothing = b64(b"{}")
    texts = ("x", "..", "a.b.c", f"{nothing}.{nothing}.", f"{nothing}.{nothing}.{nothing}")

    for text in texts:
        reply = await present(union, permitted, text)
        assert reply.item_problem()[1] == "permit-refused", text


def _words_of(permitted: Permitted) -> dict[str, object]:
    members: dict[str, object] = json.loads(permitted.recorded.entry)
    for name in ("v", "id", "kind", "time", "organisation", "slot", "private"):
        del members[name]
    return members
