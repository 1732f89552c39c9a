"""Who comes in at the back-office listener: a certificate, an assertion once, a token for both."""

import hashlib
import ssl
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from certs.own_keys import PrivateKeySet, certificate_files
from certs.tls import listener_client_context
from certs.tokens import token_digest
from codes.canonical import b64
from gateway.app.credentials import load_credentials, renew_proof
from gateway.client import BackofficeClient, SignInError
from gateway.demo import cast
from gateway.domain.scopes import INQUIRIES_READ, INQUIRIES_WRITE, TOKENS_INTROSPECT
from tests.e2e.clients import a_client, register
from tests.e2e.parties import Network
from tests.e2e.raw_client import FORM, RawClient, raw_client

UNION = cast.GUNMA_UNION
INQUIRIES = "/v1/inquiries"


@pytest.fixture(scope="module")
async def client(network: Network) -> AsyncIterator[RawClient]:
    async with raw_client(await a_client(network, UNION, "kouki-sign-in")) as raw:
        yield raw


@pytest.fixture(scope="module")
async def other(network: Network) -> AsyncIterator[RawClient]:
    async with raw_client(await a_client(network, UNION, "other")) as raw:
        yield raw


async def test_a_token_is_short_lived_opaque_and_bound(client: RawClient) -> None:
    reply = await client.ask_token(scope=f"{INQUIRIES_WRITE} {INQUIRIES_READ}")

    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.body["token_type"] == "Bearer"
    assert reply.body["expires_in"] == 600
    assert reply.body["scope"] == f"{INQUIRIES_READ} {INQUIRIES_WRITE}"
    assert len(str(reply.body["access_token"])) == 43


async def test_only_the_digest_of_a_token_is_kept(network: Network, client: RawClient) -> None:
    token = await client.token()

    async with network.gateway(UNION).context.database.read() as connection:
        rows = await connection.fetch("SELECT t::text AS row FROM access_tokens AS t")

    assert all(token not in row["row"] for row in rows)


async def test_an_assertion_is_good_once(client: RawClient) -> None:
    assertion = client.assertion()

    first = await client.ask_token(assertion)
    again = await client.ask_token(assertion)

    assert first.status == 200
    assert again.refusal == (401, "invalid_client")


NOW = int(time.time())


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"aud": "https://elsewhere.example/oauth2/token"}),
        ({}, {"aud": ["urn:sekisho:sekisho-demo:gunma-union:backoffice"]}),
        ({}, {"aud": "urn:sekisho:sekisho-demo:nagaoka:backoffice"}),
        ({}, {"exp": NOW - 1, "iat": NOW - 60}),
        ({}, {"exp": NOW + 86_400}),
        ({}, {"iat": NOW + 3_600, "exp": NOW + 3_660}),
        ({}, {"sub": "other"}),
        ({}, {"iss": "other", "sub": "other"}),
        ({}, {"iss": "nobody", "sub": "nobody"}),
        ({}, {"jti": None}),
        ({}, {"jti": "short"}),
        ({}, {"exp": None}),
        ({}, {"extra": "1"}),
        ({"typ": "permit+jwt"}, {}),
        ({"alg": "HS256"}, {}),
        ({"alg": "none"}, {}),
        ({"crit": ["b64"]}, {}),
        ({"jku": "https://elsewhere.example/keys"}, {}),
    ],
)
async def test_an_assertion_that_is_not_right_in_all_is_refused(
    client: RawClient, header: dict[str, object], claims: dict[str, object]
) -> None:
    reply = await client.ask_token(client.assertion(header, **claims))

    assert reply.refusal == (401, "invalid_client")
    assert "access_token" not in reply.body


async def test_a_forged_signature_is_refused(client: RawClient) -> None:
    signed, _, signature = client.assertion().rpartition(".")
    forged = ("A" if signature[0] != "A" else "B") + signature[1:]

    assert (await client.ask_token(f"{signed}.{forged}")).refusal == (401, "invalid_client")
    assert (await client.ask_token("no.assertion")).refusal == (401, "invalid_client")


async def test_an_assertion_over_another_clients_certificate_is_refused(
    client: RawClient, other: RawClient
) -> None:
    reply = await other.ask_token(client.assertion())

    assert reply.refusal == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_assertion_type": "urn:elsewhere"}, "invalid_request"),
        ({"client_assertion_type": None, "client_secret": "x"}, "invalid_request"),
        ({"scope": "inquiry:inquiries:delete"}, "invalid_scope"),
        ({"scope": " " + INQUIRIES_READ}, "invalid_scope"),
        ({"scope": f"{INQUIRIES_READ} {INQUIRIES_READ}"}, "invalid_scope"),
        ({"scope": "x" * 2_000}, "invalid_request"),
    ],
)
async def test_the_token_endpoint_says_errors_in_oauths_words(
    client: RawClient, changed: dict[str, object], error: str
) -> None:
    reply = await client.ask_token(**changed)  # type: ignore[arg-type]  # as above

    assert reply.refusal == (400, error)
    assert set(reply.body) <= {"error", "error_description"}


@pytest.mark.parametrize(
    "raw", [b"grant_type=a&grant_type=b", b"grant_type=%00", b"%ff=1", b"a" * 20_000, b"{}"]
)
async def test_a_form_that_is_none_is_refused(client: RawClient, raw: bytes) -> None:
    reply = await client.send("POST", "/oauth2/token", raw, content_type=FORM)

    assert reply.refusal == (400, "invalid_request")


async def test_parameters_that_oauth_does_not_know_are_passed_over(client: RawClient) -> None:
    reply = await client.ask_token(resource="https://gateway.example")

    assert reply.status == 200


async def test_a_scope_the_client_is_not_registered_for_is_refused(network: Network) -> None:
    narrow = await a_client(network, UNION, "narrow", scopes=[INQUIRIES_READ])

    async with raw_client(narrow) as raw:
        refused = await raw.ask_token(scope=INQUIRIES_WRITE)
        token = await raw.token()
        reply = await raw.with_token(token, "POST", INQUIRIES, b"{}")

    assert refused.refusal == (400, "invalid_scope")
    assert reply.refusal == (403, "insufficient-scope")


async def test_a_token_covers_what_it_was_asked_with_and_no_more(client: RawClient) -> None:
    token = await client.token(scope=INQUIRIES_WRITE)

    reply = await client.with_token(token, "GET", INQUIRIES)

    assert reply.refusal == (403, "insufficient-scope")


async def test_a_good_token_with_another_certificate_is_refused(
    client: RawClient, other: RawClient
) -> None:
    token = await client.token()

    assert (await client.with_token(token, "GET", INQUIRIES)).status == 200
    assert (await other.with_token(token, "GET", INQUIRIES)).refusal == (401, "token-invalid")


@pytest.mark.parametrize(
    ("headers", "type_"),
    [
        ({}, "not-authenticated"),
        ({"Authorization": "Basic a291a2k6eA=="}, "not-authenticated"),
        ({"Authorization": "Bearer"}, "not-authenticated"),
        ({"Authorization": "Bearer short"}, "token-invalid"),
        ({"Authorization": "Bearer " + "A" * 43}, "token-invalid"),
        ({"Authorization": "Bearer " + "é" * 43}, "token-invalid"),
        (
            [("Authorization", "Bearer " + "A" * 43), ("Authorization", "Bearer " + "A" * 43)],
            "not-authenticated",
        ),
    ],
)
async def test_without_one_good_token_nobody_comes_in(
    client: RawClient, headers: object, type_: str
) -> None:
    reply = await client.send("GET", INQUIRIES, headers=headers)

    assert reply.refusal == (401, type_)
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_ends(network: Network, client: RawClient) -> None:
    token = await client.token()
    digest, ago = token_digest(token), timedelta(minutes=11)
    async with network.gateway(UNION).context.database.read() as connection:
        row = await connection.fetchrow("SELECT * FROM access_tokens WHERE digest = $1", digest)
        assert row is not None
        await connection.execute("DELETE FROM access_tokens WHERE digest = $1", digest)
        await connection.execute(
            "INSERT INTO access_tokens VALUES ($1, $2, $3, $4, $5, $6)",
            *(row["digest"], row["client_id"], row["scopes"], row["certificate"]),
            *(row["issued_at"] - ago, row["expires_at"] - ago),
        )

    reply = await client.with_token(token, "GET", INQUIRIES)

    assert reply.refusal == (401, "token-invalid")


async def test_a_disabled_client_is_out_and_its_tokens_end(network: Network) -> None:
    commands = network.parties[UNION].role.commands
    credentials = await a_client(network, UNION, "closing")
    async with raw_client(credentials) as raw:
        token = await raw.token()

        shown = await commands["clients-disable"]({"client_id": "closing"})
        refused = [await raw.with_token(token, "GET", INQUIRIES), await raw.ask_token()]
        await commands["clients-enable"]({"client_id": "closing"})
        ended = await raw.with_token(token, "GET", INQUIRIES)
        again = await raw.with_token(await raw.token(), "GET", INQUIRIES)

    assert shown["state"] == "disabled"
    assert [one.refusal for one in refused] == [(401, "token-invalid"), (401, "invalid_client")]
    assert (ended.status, again.status) == (401, 200)


async def test_a_rotated_key_ends_the_one_before(network: Network) -> None:
    file = await register(network, UNION, "turning")
    before = load_credentials(file)

    proof = renew_proof(file, with_secret=True)
    arguments = {"client_id": "turning", "proof": proof}
    await network.parties[UNION].role.commands["clients-rotate"](arguments)

    with pytest.raises(SignInError) as old:
        async with BackofficeClient(before) as gateway:
            await gateway.inquiries()
    async with BackofficeClient(load_credentials(file)) as gateway:
        page = await gateway.inquiries()
    assert old.value.error == "invalid_client"
    assert page.inquiries == []


async def test_a_token_is_looked_into_by_its_own_client(
    client: RawClient, network: Network
) -> None:
    token = await client.token(scope=INQUIRIES_READ)
    narrow = await a_client(network, UNION, "looking", scopes=[INQUIRIES_READ])
    auditor = await a_client(network, UNION, "auditor", scopes=[TOKENS_INTROSPECT])
    form = f"token={token}".encode()

    own = await client.with_token(token, "POST", "/oauth2/introspect", form, content_type=FORM)
    seen = []
    for credentials in (narrow, auditor):
        async with raw_client(credentials) as raw:
            reply = await raw.with_token(
                await raw.token(), "POST", "/oauth2/introspect", form, content_type=FORM
            )
            seen.append(reply.body)

    assert own.body["active"] is True
    assert own.body["client_id"] == "kouki-sign-in"
    assert own.body["scope"] == INQUIRIES_READ
    assert "cnf" in own.body
    assert seen == [{"active": False}, own.body]


async def test_the_confirmation_is_the_certificates_own_digest(
    network: Network, client: RawClient
) -> None:
    token = await client.token()
    path = network.folder / "clients" / UNION / "kouki-sign-in" / "kouki-sign-in.cert.pem"
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    form = f"token={token}".encode()

    reply = await client.with_token(token, "POST", "/oauth2/introspect", form, content_type=FORM)

    assert reply.body["cnf"] == {"x5t#S256": b64(hashlib.sha256(der).digest())}


async def test_a_stranger_to_the_listeners_ca_does_not_get_through_the_handshake(
    network: Network, client: RawClient
) -> None:
    keys = network.parties[UNION].settings.network.keys_dir
    ca = certificate_files(keys, "backoffice-ca").certificate
    for own in (
        None,
        PrivateKeySet.load(keys).network_certificate,
        certificate_files(keys, "staff"),
    ):
        tls = listener_client_context(ca=ca, own=own)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await session.get(client.credentials.url + "/openapi.json")


async def test_an_unknown_registration_is_refused_by_name(network: Network) -> None:
    for changed, named in (
        ({"scopes": ["inquiry:inquiries:everything"]}, "scope"),
        ({"procedures": ["XP999"]}, "procedure"),
        ({"information": ["TM99999999999999"]}, "information"),
        ({"departments": ["a b"]}, "department"),
    ):
        with pytest.raises(Exception, match=named) as refused:
            await register(network, UNION, f"bad-{named}", **changed)  # type: ignore[arg-type]  # as above
        assert getattr(refused.value, "problem", "") == "invalid-request"
