"""A directory or allow list that is stale, behind, ahead or turned back, on either side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from certs.errors import CertsError
from certs.own_keys import load_directory_key
from certs.publish import (
    DirectoryChanges,
    next_directory,
    publish_directory,
    read_published,
)
from certs.rotation import renew_permit_key
from gateway.demo import cast
from gateway.errors import StaleDirectoryError
from gateway.flows.trust import Trust
from gateway.outbound.errors import PeerUnavailableError
from policies.allow_list import AllowList
from tests.e2e.adversary.night import Night
from tests.e2e.adversary.rogue import PROVISIONS, Reply, Rogue, adds, core_services
from tests.e2e.adversary.test_swaps import provision_of
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order


@asynccontextmanager
async def expired(trust: Trust) -> AsyncIterator[None]:
    """Let the directory of one party expire a second ago."""
    fresh = trust._directory
    trust._directory = replace(fresh, expires=trust._clock.now() - timedelta(seconds=1))
    try:
        yield
    finally:
        trust._directory = fresh


async def published(night: Night, changes: DirectoryChanges) -> int:
    """Publish the next version at the core, and wait until it stands behind it."""
    network = night.network
    keys = network.parties[cast.CORE].settings.network.keys_dir
    directory = publish_directory(keys, changes=changes, now=night.clock.now())
    await until_published(night, directory.version)
    return directory.version


async def until_published(night: Night, version: int) -> None:
    """Return when the core stands behind this version."""
    publication = core_services(night.network).publication
    async with asyncio.timeout(10):
        while publication.directory.version < version or not publication.is_published:
            await asyncio.sleep(0.01)


async def looked(night: Night, *names: str) -> None:
    """Let gateways fetch what the core publishes."""
    for name in names or (cast.GUNMA_UNION, cast.NAGAOKA):
        await night.network.gateway(name).flows.continuations._look_for_directory()


async def test_a_provider_whose_directory_expired_answers_nothing(night: Night) -> None:
    night.before()
    permitted = await night.union.permitted()
    trust = night.network.gateway(cast.NAGAOKA).context.trust

    async with expired(trust), adds(night.network, cast.NAGAOKA, provision=0, refusal=0):
        reply = await night.union.present(permitted)
    later = await night.union.present(permitted)

    assert reply.refusal == (503, "stale-directory", None)
    assert provision_of(later).outcome == "provided"


async def test_a_provider_whose_directory_expired_repeats_what_it_answered(night: Night) -> None:
    """No new exchange; a retry is none."""
    night.before()
    permitted = await night.union.permitted()
    first = await night.union.present(permitted)
    trust = night.network.gateway(cast.NAGAOKA).context.trust

    async with expired(trust):
        again = await night.union.present(permitted)

    assert again.provisions.results == first.provisions.results


async def test_a_core_whose_directory_expired_permits_nothing(night: Night) -> None:
    night.before()
    request = await night.union.member.permits_request(await night.union.ask())

    async with (
        expired(night.core.context.trust),
        adds(night.network, cast.CORE, permit=0, refusal=0),
    ):
        reply = await night.union.post(cast.CORE, "/v1/permits", request)

    assert reply.refusal == (503, "stale-directory", None)


async def test_an_inquirer_whose_directory_expired_asks_nothing(night: Night) -> None:
    night.before()
    number = await night.union.person()
    gateway = night.network.gateway(cast.GUNMA_UNION)

    async with (
        expired(gateway.context.trust),
        adds(night.network, cast.GUNMA_UNION, inquiry=0, refusal=0),
    ):
        with pytest.raises(StaleDirectoryError):
            await gateway.flows.inquire.begin(an_order(number), REGISTRATION)


async def test_a_provider_that_is_behind_fetches_before_it_answers(night: Night) -> None:
    night.before()
    version = await published(night, DirectoryChanges())
    await looked(night, cast.GUNMA_UNION)
    permitted = await night.union.permitted()
    trust = night.network.gateway(cast.NAGAOKA).context.trust
    assert trust.directory.version < version

    reply = await night.union.present(permitted)

    assert provision_of(reply).outcome == "provided"
    assert trust.directory.version == version


async def test_a_provider_that_does_not_know_the_permit_key_fetches_before_it_refuses(
    night: Night,
) -> None:
    night.before()
    await looked(night)
    keys = night.network.parties[cast.CORE].settings.network.keys_dir
    version = renew_permit_key(keys, now=night.clock.now()).version
    await until_published(night, version)
    await looked(night, cast.GUNMA_UNION)
    permitted = await night.union.permitted()
    trust = night.network.gateway(cast.NAGAOKA).context.trust
    assert trust.directory.version < version

    async with adds(night.network, cast.NAGAOKA, provision=1, refusal=0):
        reply = await night.union.present(permitted)

    assert provision_of(reply).outcome == "provided"
    assert trust.directory.version == version


async def test_a_provider_that_is_behind_and_cannot_fetch_answers_later(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.before()
    await published(night, DirectoryChanges())
    await looked(night, cast.GUNMA_UNION)
    permitted = await night.union.permitted()
    peers = night.network.gateway(cast.NAGAOKA).context.peers

    async def unreachable(*_: Any, **__: Any) -> Any:
        raise PeerUnavailableError("core: down")

    with monkeypatch.context() as alone:
        for way in ("get", "fetch"):
            alone.setattr(peers, way, unreachable, raising=False)
        async with adds(night.network, cast.NAGAOKA, provision=0, refusal=0):
            reply = await night.union.present(permitted)
    later = await night.union.present(permitted)

    assert reply.item_problem() == (409, "directory-behind", None)
    assert provision_of(later).outcome == "provided"


async def test_a_permit_under_an_older_allow_list_is_decided_by_the_newer(night: Night) -> None:
    """Between permit and provision the provider's assessment is withdrawn (令26④)."""
    night.before()
    await looked(night)
    permitted = await night.union.permitted()
    real = night.network.gateway(cast.NAGAOKA).context.trust.law
    try:
        await published(
            night, DirectoryChanges(allow_list=_without_assessments(real, cast.NAGAOKA))
        )
        await looked(night)
        async with adds(night.network, cast.NAGAOKA, provision=1, refusal=0):
            reply = await night.union.present(permitted)
    finally:
        await published(night, DirectoryChanges(allow_list=_body(real)))
        await looked(night)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "assessment-unpublished")
    assert provision.act21_2 == 1


async def test_an_inquirer_with_an_older_allow_list_is_refused_by_the_core(night: Night) -> None:
    night.before()
    await looked(night)
    asked = await night.union.ask()
    real = night.network.gateway(cast.NAGAOKA).context.trust.law
    try:
        await published(
            night, DirectoryChanges(allow_list=_without_assessments(real, cast.NAGAOKA))
        )
        async with adds(night.network, cast.CORE, permit=0, refusal=1):
            answer = await night.union.member.permits(asked)
    finally:
        await published(night, DirectoryChanges(allow_list=_body(real)))
        await looked(night)

    assert answer.results[0].result is not None
    assert answer.results[0].result.reason == "assessment-unpublished"


async def test_nobody_is_led_back_to_an_older_directory(night: Night) -> None:
    night.before()
    await looked(night)  # whatever an earlier test published
    trust = night.network.gateway(cast.NAGAOKA).context.trust
    older = trust.directory
    await published(night, DirectoryChanges())
    await looked(night)

    with pytest.raises(CertsError) as refused:
        trust.adopt(older.raw, None)

    assert refused.value.reason == "rollback"
    assert trust.directory.version == older.version + 1


async def test_a_certificate_removed_since_the_handshake_is_refused_and_its_connection_ends(
    network: Network, immigration: Rogue
) -> None:
    """The connection is open and good; the directory has taken the organisation out since."""
    trust = network.gateway(cast.NAGAOKA).context.trust
    keys = network.parties[cast.CORE].settings.network.keys_dir
    without = next_directory(
        trust.directory,
        DirectoryChanges(withdrawn=(cast.IMMIGRATION,)),
        allow_list=read_published(keys).allow_list,
        signer=load_directory_key(keys),
        now=trust._clock.now(),
    )
    before = trust._directory
    connector = aiohttp.TCPConnector(ssl=immigration.client_context(cast.NAGAOKA), limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = trust.directory.organisation(cast.NAGAOKA).url + PROVISIONS
        first = await _posted(session, url)
        trust._directory = type(before).parse(
            without, root=trust.keys.root, now=trust._clock.now(), environment="test"
        )
        try:
            second = await _posted(session, url)
        finally:
            trust._directory = before

    assert first.refusal == (422, "invalid-body", None)
    assert second.refusal == (403, "unknown-certificate", None)
    assert second.headers["Connection"] == "close"


async def _posted(session: aiohttp.ClientSession, url: str) -> Reply:
    headers = {"Content-Type": "application/json"}
    async with session.post(url, data=b"{}", headers=headers) as response:
        return Reply(
            status=response.status, headers=dict(response.headers), body=await response.read()
        )


def _body(law: AllowList) -> dict[str, object]:
    document = dict(law.to_document())
    del document["version"]
    return document


def _without_assessments(law: AllowList, organisation: str) -> dict[str, object]:
    body = _body(law)
    assessments = body["assessments"]
    assert isinstance(assessments, list)
    return body | {
        "assessments": [one for one in assessments if one["organisation"] != organisation]
    }
