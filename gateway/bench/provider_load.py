"""The load of the provider bench, a process of its own: one member that presents permits.

It keeps a log and a database of its own like any member, asks the real core for permits, and
presents them in the times measured. Between these it makes the next ones.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from certs.keystore import KeyStore, MasterKey
from certs.tls import network_client_context
from codes.network_code import NetworkCode
from codes.numbers import ResidentCode
from gateway.app.floor import laid_floor
from gateway.app.foundation import open_keys
from gateway.app.roles import WorkerContext
from gateway.bench.audit import audit_log
from gateway.bench.words import BEGUN, ENDED, tell
from gateway.clock import SystemClock
from gateway.core.code_book import CodeBook
from gateway.demo import cast
from gateway.errors import UnavailableError
from gateway.flows.context import Context
from gateway.flows.lawful import Asked, LawfulInquiry, decide_lawfully
from gateway.flows.open_inquiry import inquiry_of
from gateway.flows.permit_lane import Granted, PermitWanted, ask_permits
from gateway.flows.proofs import prove
from gateway.flows.record_types import Draft, Recorded
from gateway.records.entry import subject_commitment
from gateway.settings import load_settings
from gateway.storage.embedded import EmbeddedPostgres
from gateway.wire.codec import encode_json
from gateway.wire.network import ProvisionAsked, ProvisionsAnswer, ProvisionsRequest
from policies.citations import parse_citation
from policies.gates import ConsentStatement

PATH: Final = "/v1/provisions"
GROUND: Final = "高齢者の医療の確保に関する法律第138条"
MESSAGES_A_ROUND: Final = 64
WARM_UP_MESSAGES: Final = 8
ITEMS_MAX: Final = 64
_OK: Final = 200
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Who presents, whose permits, how many at once, for how long."""

    config: str
    core_folder: str
    residents: list[str]
    provider: str
    provider_url: str
    messages: int
    """In flight."""
    items: int
    """In a message."""
    seconds: float


class Seen(msgspec.Struct, kw_only=True):
    """What came of it."""

    waits_ms: list[float] = msgspec.field(default_factory=list)
    """One for each provision, as long as its message took."""
    provided: list[str] = msgspec.field(default_factory=list)
    errors: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    seconds: float = 0.0
    entries: int = 0
    """Entries of the member's own log, verified."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message ready to be sent, and the permits it presents."""

    body: bytes
    permit_ids: list[str]


class Member:
    """One organisation of the network that asks, with a log of its own and no listeners."""

    def __init__(self, context: Context, codes: Sequence[NetworkCode], job: Job) -> None:
        self._context = context
        self._codes = codes
        self._job = job
        self._lawful = _lawful(context)

    async def messages(self, count: int) -> list[Message]:
        """Return messages with permits that nobody has presented yet."""
        return [await self._message() for _ in range(count)]

    async def audit(self) -> int:
        """Verify the member's own log; return how many entries it holds."""
        context = self._context
        trust = context.trust
        audited = await audit_log(
            context.database, trust.organisation, trust.directory, context.writer.checkpoint
        )
        return audited.entries

    async def _message(self) -> Message:
        wanted = await self._inquire()
        granted = await ask_permits(self._context, wanted)
        proven = await prove(self._context.writer, [one.recorded for one in wanted])
        tokens: dict[str, int] = {}
        items = []
        for one, permit in zip(wanted, granted, strict=True):
            if not isinstance(permit, Granted):
                raise UnavailableError(f"core: no permit ({type(permit).__name__})")
            place = proven.reference(one.recorded)
            items.append(
                ProvisionAsked(
                    token=tokens.setdefault(permit.token, len(tokens)),
                    permit_id=permit.permit.permit_id,
                    group=place.group,
                    index=place.index,
                )
            )
        request = ProvisionsRequest(tokens=list(tokens), groups=proven.groups, items=items)
        return Message(body=encode_json(request), permit_ids=[item.permit_id for item in items])

    async def _inquire(self) -> list[PermitWanted]:
        chosen = [secrets.choice(self._codes) for _ in range(self._job.items)]
        salts = [secrets.token_bytes(32) for _ in chosen]
        drafts = [
            Draft(kind="inquiry", members=self._members(code, salt), private={})
            for code, salt in zip(chosen, salts, strict=True)
        ]
        wanted = []
        outcomes = await self._context.writer.append(drafts, source="bench")
        for outcome, code, salt in zip(outcomes, chosen, salts, strict=True):
            if not isinstance(outcome, Recorded):
                raise outcome
            wanted.append(
                PermitWanted(
                    recorded=outcome, inquiry=inquiry_of(outcome.entry), code=code.raw, salt=salt
                )
            )
        return wanted

    def _members(self, code: NetworkCode, salt: bytes) -> dict[str, object]:
        lawful = self._lawful
        return {
            "inquirer_body": lawful.inquirer_body,
            "provider": lawful.provider,
            "provider_body": lawful.provider_body,
            "department": "1000",
            "affair": lawful.affair,
            "procedure": lawful.permit.procedure.id,
            "citation": lawful.citation,
            "law_version": lawful.law_version,
            "law_day": lawful.law_day.isoformat(),
            "legal_basis": lawful.legal_basis,
            "information": {
                "term": lawful.permit.term.id,
                "scope": lawful.scope,
                "items": list(lawful.permit.items),
            },
            "subject_role": lawful.subject_role,
            "condition": {"kind": "latest"},
            "non_disclosure": 0,
            "consent": dict(lawful.consent),
            "subject": subject_commitment(salt, code.raw).hex(),
            "reply_key": self._context.trust.reply_key(),
        }


class Presenter:
    """Presents messages over a few connections and looks at every answer."""

    def __init__(self, session: aiohttp.ClientSession, job: Job) -> None:
        self._session = session
        self._job = job
        self.seen: Final = Seen()

    async def present(self, messages: list[Message], *, is_measured: bool) -> None:
        """Present all of these, so many in flight."""
        waiting = iter(messages)
        if is_measured:
            tell(BEGUN)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._job.messages):
                group.create_task(self._present_on(waiting, is_measured=is_measured))
        if is_measured:
            self.seen.seconds += time.perf_counter() - began
            tell(ENDED)

    async def _present_on(self, waiting: Iterator[Message], *, is_measured: bool) -> None:
        for message in waiting:
            began = time.perf_counter()
            url = self._job.provider_url + PATH
            async with self._session.post(url, data=message.body) as response:
                raw = await response.read()
            taken = (time.perf_counter() - began) * 1000
            self._take(message, response.status, raw)
            if is_measured:
                self.seen.waits_ms += [taken] * len(message.permit_ids)

    def _take(self, message: Message, status: int, raw: bytes) -> None:
        if status != _OK:
            self.seen.errors += len(message.permit_ids)
            self.seen.problems.append(f"status {status}")
            return
        answer = msgspec.json.decode(raw, type=ProvisionsAnswer)
        for permit_id, result in zip(message.permit_ids, answer.results, strict=True):
            if result.result is not None and result.result.sealed is not None:
                self.seen.provided.append(permit_id)
            else:
                self.seen.errors += 1
                self.seen.problems.append(result.problem.type if result.problem else "not provided")


async def main() -> None:
    """Do the job that stands on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    settings = load_settings(Path(job.config))
    async with AsyncExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(settings.database_dir))
        worker = WorkerContext(
            settings=settings,
            worker=0,
            version="bench",
            clock=SystemClock(),
            addresses={},
            dsn=server.dsn(),
            master_key=open_keys(settings),
        )
        context = await stack.enter_async_context(laid_floor(worker))
        tls = network_client_context(
            context.trust.keys.network_certificate,
            context.trust.directory.certificates(job.provider),
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=job.messages), headers=_HEADERS
            )
        )
        member, presenter = Member(context, _codes(job), job), Presenter(session, job)
        await presenter.present(await member.messages(WARM_UP_MESSAGES), is_measured=False)
        while presenter.seen.seconds < job.seconds:
            await presenter.present(await member.messages(MESSAGES_A_ROUND), is_measured=True)
        presenter.seen.entries = await member.audit()
        tell(msgspec.json.encode(presenter.seen))


def _codes(job: Job) -> list[NetworkCode]:
    """Return the member's own codes for the residents, as the core would have given them."""
    folder = Path(job.core_folder)
    keys = KeyStore.open(folder / "data" / "keys", MasterKey.from_file(folder / "master.key"))
    book = CodeBook(keys)
    return [
        book.code_of(book.meet(ResidentCode.parse(text)).person, cast.GUNMA_UNION)
        for text in job.residents
    ]


def _lawful(context: Context) -> LawfulInquiry:
    trust, now = context.trust, context.clock.now()
    return decide_lawfully(
        trust.directory,
        trust.law,
        Asked(
            inquirer_body=cast.UNION_HEAD,
            provider_body=cast.NAGAOKA_MAYOR,
            procedure=parse_citation("第117条第6号ロ", row_no="115"),
            information="地方税関係情報",
            subject_role="person",
            legal_basis="act19-8",
            consent=ConsentStatement(ground=GROUND),
        ),
        law_day=trust.law_day(now),
        switches=(),
        now=now,
    )


if __name__ == "__main__":
    asyncio.run(main())
