"""Connections to PostgreSQL: a pool for everything but the record log, one more for its writer.

The running role owns nothing; the owner's role is for migrations alone. SQL is a
`LiteralString` everywhere: what came from outside goes in as a parameter, never as text.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, LiteralString, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from gateway.errors import UnavailableError, UnknownResultError

Record: TypeAlias = asyncpg.Record
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
WriterConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CHECKER_ROLE: Final = "sekisho_checker"
POOL_CONNECTIONS_MAX: Final = 8
CONNECT_TIMEOUT_S: Final = 10.0
AGAIN_S: Final = 0.2
QUERY_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 10.0
ACQUIRE_TIMEOUT_S: Final = 10.0

# What says that there is no database just now, and nothing about the statement.
_GONE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# While a cluster has no leader every node may answer, and none of them be the one that is wanted.
_NOT_LET_IN: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError)
_APPLICATION: Final = "sekisho"
# Days and months begin as empty tables: a plan made then would read them whole for as long as it
# is kept. Everything here is found by an index.
_PLANNING: Final = {"enable_seqscan": "off"}
_POOL_SETTINGS: Final = _PLANNING | {
    "application_name": _APPLICATION,
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "20s",
    "synchronous_commit": "on",  # whatever the role or the database were set to
}
_READ_ONLY: Final = _POOL_SETTINGS | {
    "application_name": f"{_APPLICATION}-checker",
    "default_transaction_read_only": "on",
}
# A commit is waited for however long it takes (PROTOCOL §5): giving up would not tell whether
# it happened. What is dead is found by the keep-alives of both ends.
_WRITER_SETTINGS: Final = _PLANNING | {
    "application_name": f"{_APPLICATION}-writer",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "on",
}
# An older server does not know them all.
_SET: Final[LiteralString] = """
    SELECT set_config(w.name, w.value, false)
      FROM unnest($1::text[], $2::text[]) AS w (name, value)
      JOIN pg_settings USING (name)
"""

_WARNING: Final = "01000"
# A commit of its own that touches no row, so that nobody waits for anybody else.
_COMMIT_SOMETHING: Final[LiteralString] = """
    SELECT pg_logical_emit_message(true, 'sekisho', 'barrier')
"""
_OF_A_ROLE: Final = frozenset({"user", "password"})
# Not `synchronous_standby_names` alone: that may name somebody who is not there.
_HAS_STANDBY: Final[LiteralString] = """
    SELECT current_setting('synchronous_standby_names') <> '' AND synchronous_standbys() > 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the settings promise of a database; `preflight` holds it against them."""

    is_replicated: bool = False
    """Whether what is certain stands on a synchronous standby too."""
    may_forget: bool = False
    """Whether a crash of the machine may cost it data: where nothing real is kept, tests alone."""


STRICT: Final = Demands()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """How both ends of the writer's connection find out that the other is dead (PROTOCOL §5)."""

    idle_s: int = 10
    interval_s: int = 5
    probes: int = 4
    user_timeout_ms: int = 30_000
    """So long sent bytes, and probes, may stay without an acknowledgement."""

    @property
    def settings(self) -> dict[str, str]:
        """Return what the server sets on its end; nothing on a Unix socket."""
        return {
            "tcp_keepalives_idle": str(self.idle_s),
            "tcp_keepalives_interval": str(self.interval_s),
            "tcp_keepalives_count": str(self.probes),
            "tcp_user_timeout": str(self.user_timeout_ms),
        }


KEEP_ALIVE: Final = KeepAlive()


class Database:
    """The gateway's database, as its running role sees it."""

    def __init__(
        self,
        dsn: str,
        pool: "asyncpg.Pool[asyncpg.Record]",
        *,
        checker_dsn: str,
        demands: Demands,
    ) -> None:
        self._dsn = dsn
        self._checker_dsn = checker_dsn
        self.pool: Final = pool
        self.demands: Final = demands

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        connections_max: int = POOL_CONNECTIONS_MAX,
        settings: Mapping[str, str] = _POOL_SETTINGS,
        checker_dsn: str | None = None,
        demands: Demands = STRICT,
    ) -> Self:
        """Return the database behind a DSN; `settings` are those of its sessions.

        Without a `checker_dsn` the role that only reads comes in where the other does.

        Raises:
            UnavailableError: nobody answers there, or lets us in.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections_max,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=QUERY_TIMEOUT_S,
                max_inactive_connection_lifetime=300.0,
                server_settings=dict(settings),
                reset=_leave_as_it_is,
            )
        except _NOT_LET_IN as error:
            raise UnavailableError(f"database: {type(error).__name__}") from error
        checker_dsn = checker_dsn or as_role(dsn, CHECKER_ROLE)
        return cls(dsn, pool, checker_dsn=checker_dsn, demands=demands)

    @classmethod
    async def open_when_there(
        cls,
        dsn: str,
        *,
        connections_max: int = POOL_CONNECTIONS_MAX,
        checker_dsn: str | None = None,
        demands: Demands = STRICT,
        patience_s: float,
    ) -> Self:
        """Return the database as soon as it answers; it may be coming back just now.

        Raises:
            UnavailableError: nobody answered in all that time.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return await cls.open(
                    dsn,
                    connections_max=connections_max,
                    checker_dsn=checker_dsn,
                    demands=demands,
                )
            except UnavailableError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """End every connection; one that nobody gives back in time is cut."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.pool.close()  # cuts them itself when it is cancelled

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Lend a connection whose statements each stand alone.

        Raises:
            UnavailableError: the database is gone, going, or not yet back.
        """
        try:
            async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                yield connection
        except _GONE as error:
            if isinstance(error, ValueError):  # a parameter the driver cannot encode
                raise
            raise UnavailableError(f"database: {type(error).__name__}") from error

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator["Database"]:
        """Lend one connection of the checker's own role, which has no right to write anything.

        Raises:
            UnavailableError: nobody answers there.
        """
        database = await Database.open(self._checker_dsn, connections_max=1, settings=_READ_ONLY)
        try:
            yield database
        finally:
            await database.close()

    @asynccontextmanager
    async def snapshot(self, *, is_certain: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection whose reads all see one instant and which cannot write.

        With `is_certain` the context ends only when all that was read stands on the standby too.

        Raises:
            UnknownResultError: whether it does is not known.
            UnavailableError: the database is gone, or the standby does not answer.
        """
        async with self.read() as connection:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection
            if is_certain:
                await _barrier(connection)
                await self._require_standby(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one transaction, for what is not the record log's."""
        async with self.read() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def certain(self) -> AsyncIterator[Connection]:
        """Lend a connection for statements that must be stored for good when this ends.

        Raises:
            UnknownResultError: the wait for the standby was cancelled, so that nobody knows
                whether the commit will last.
            UnavailableError: as `read`; or no standby is left that commits wait for.
        """
        async with self.read() as connection:
            await self._require_standby(connection)
            with _unless_warned(connection):
                yield connection
            await self._require_standby(connection)

    async def _require_standby(self, connection: Connection) -> None:
        """Refuse to call anything certain while commits, promised to wait, wait for nobody."""
        if self.demands.is_replicated and not await has_standby(connection):
            raise UnavailableError("database: no synchronous standby")

    async def connect_writer(
        self, on_warning: Callable[[str], None], *, keep_alive: KeepAlive = KEEP_ALIVE
    ) -> WriterConnection:
        """Return a connection of the writer's own, outside every pool.

        `on_warning` is told the SQLSTATE of each WARNING before the statement that caused it
        returns: a cancelled wait for the standby reports success with one (PROTOCOL §5).

        Raises:
            UnavailableError: nobody answers there, or lets us in.
        """
        try:
            connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT_S)
            try:
                settings = _WRITER_SETTINGS | keep_alive.settings
                await connection.fetch(_SET, list(settings), list(settings.values()))
            except BaseException:
                connection.terminate()
                raise
        except _NOT_LET_IN as error:
            raise UnavailableError(f"database: {type(error).__name__}") from error
        _watch_socket(connection, keep_alive)

        def listen(_: object, message: asyncpg.PostgresLogMessage) -> None:
            if isinstance(message, asyncpg.PostgresWarning):
                on_warning(message.sqlstate or _WARNING)

        connection.add_log_listener(listen)
        return connection


def as_role(dsn: str, role: str) -> str:
    """Return where another role finds the same database; no password of the first goes along."""
    parts = urlsplit(dsn)
    said = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OF_A_ROLE]
    query = urlencode([*said, ("user", role)])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{query}"


async def has_standby(connection: Connection) -> bool:
    """Tell whether there is a standby now that commits wait for."""
    return bool(await connection.fetchval(_HAS_STANDBY))


async def _barrier(connection: Connection) -> None:
    """Return when everything that was visible on this connection stands on the standby too.

    What is visible may be a commit whose wait for the standby was cancelled. A later commit on
    the same server that was waited for proves it: what is replicated keeps its order (PROTOCOL §5).
    """
    with _unless_warned(connection):
        await connection.execute(_COMMIT_SOMETHING)


@contextmanager
def _unless_warned(connection: Connection) -> Iterator[None]:
    """Raise UnknownResultError at the end if the server warned, as it does of a commit in doubt."""
    warnings: list[str] = []

    def listen(_: object, message: asyncpg.PostgresLogMessage) -> None:
        if isinstance(message, asyncpg.PostgresWarning):
            warnings.append(message.sqlstate or _WARNING)

    connection.add_log_listener(listen)
    try:
        yield
    finally:
        connection.remove_log_listener(listen)
    if warnings:
        raise UnknownResultError(f"database: WARNING {warnings[0]}")


async def _leave_as_it_is(_connection: WriterConnection) -> None:
    """Save a round trip at every return: nobody here changes a session for good.

    asyncpg has rolled back what was open. Whoever takes a session lock ends the connection
    where the lock cannot be given back.
    """


async def fetch(connection: Connection, query: LiteralString, *arguments: object) -> list[Record]:
    """Return all rows of a query."""
    return await connection.fetch(query, *arguments)


def _watch_socket(connection: WriterConnection, keep_alive: KeepAlive) -> None:
    """Let the kernel find a dead peer."""
    # asyncpg offers no public way to its socket, and only the socket takes these options.
    transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    found: socket.socket = transport.get_extra_info("socket")
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keep_alive.idle_s)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, keep_alive.interval_s)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, keep_alive.probes)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, keep_alive.user_timeout_ms)
