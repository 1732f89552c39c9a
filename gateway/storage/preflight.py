"""What a database must be before anything is stored there (DESIGN §4, PROTOCOL §5).

It is read as the server, the database and the role are set up, not as our sessions set
themselves, and judged apart from reading. Nothing is changed here.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

import asyncpg

from gateway.errors import ConfigurationError, UnavailableError
from gateway.storage.append import known_failures
from gateway.storage.database import (
    CONNECT_TIMEOUT_S,
    Demands,
    WriterConnection,
    has_standby,
)
from gateway.storage.migrate import check_schema

VERSION_MIN: Final = 15
NAMED_MAX: Final = 3
"""How many tables or functions a refusal names."""
_KEPT_LOCALLY: Final = frozenset({"local", "remote_write", "on", "remote_apply"})
_KEPT_BY_BOTH: Final = frozenset({"on", "remote_apply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a server is set up, as far as what we promise rests on it."""

    version: int
    encoding: str
    is_in_recovery: bool
    fsync: str
    full_page_writes: str
    synchronous_commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What a session may do, also as any role that it could become."""

    role: str
    attributes: Sequence[str]
    owned: Sequence[str]
    rewritable: Sequence[str]
    """Tables of records that may be changed (DESIGN §4)."""
    writable: Sequence[str]
    """Every table that anything may be written to."""
    definers: Sequence[str]
    """Functions of the owner's that may be called."""
    makes_objects: bool


_SERVER: Final[LiteralString] = """
    SELECT current_setting('server_version_num')::integer / 10000 AS version,
           current_setting('server_encoding') AS encoding,
           pg_is_in_recovery() AS is_in_recovery,
           current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit
"""


async def preflight(dsn: str, demands: Demands) -> None:
    """Refuse a database that does not keep what the settings promise of it.

    Raises:
        ConfigurationError: it does not; the message names the setting and the remedy.
        SchemaError: its schema is not this release's.
        UnavailableError: nobody answers there.
    """
    async with _connected(dsn) as connection:
        await _require_server(connection, demands)
        await _require_own_session(connection)
        powers = await _read_powers(connection)
        _refuse(f"database.dsn: role {powers.role}", excess_of_runner(powers))
        await check_schema(connection)
        if demands.is_replicated and not await has_standby(connection):
            raise ConfigurationError(
                "durability replicated: there is no synchronous standby; set"
                " synchronous_standby_names, or records.durability to local"
            )


async def require_writer(connection: WriterConnection, demands: Demands) -> None:
    """Refuse a connection that records must not be written over; a failover may have moved it.

    Raises:
        ConfigurationError: the server behind it does not keep what is promised, or it is shared.
        UnknownCommitError: it is gone.
    """
    with known_failures():
        await _require_server(connection, demands)
        await _require_own_session(connection)


async def preflight_checker(dsn: str) -> None:
    """Refuse a role for the provision-checker that could change anything.

    Raises:
        ConfigurationError: it could, or nobody lets it in.
    """
    try:
        async with _connected(dsn) as connection:
            powers = await _read_powers(connection)
    except UnavailableError as error:
        if isinstance(error.__cause__, asyncpg.InvalidAuthorizationSpecificationError):
            raise ConfigurationError(
                "database.checker_dsn: the database does not let this role in; make"
                " sekisho_checker, and say here how it comes in"
            ) from error
        raise
    _refuse(f"database.checker_dsn: role {powers.role}", excess_of_reader(powers))


def faults_of(server: Server, demands: Demands) -> Iterator[str]:
    """Say what is wrong with a server, each with its remedy."""
    if server.version < VERSION_MIN:
        yield f"PostgreSQL {server.version}: upgrade it to {VERSION_MIN} or newer"
    if server.encoding != "UTF8":
        yield f"encoding {server.encoding}: make the database anew with ENCODING 'UTF8'"
    if server.is_in_recovery:
        yield "is a standby: let the DSN say target_session_attrs=primary"
    if not demands.may_forget:
        for name in ("fsync", "full_page_writes"):
            if getattr(server, name) != "on":
                yield f"{name} is off: set it on"
    wanted = _KEPT_BY_BOTH if demands.is_replicated else _KEPT_LOCALLY
    if server.synchronous_commit not in wanted:
        yield (
            f"synchronous_commit is {server.synchronous_commit}:"
            " set it on, for the server, the database and the role"
        )


def excess_of_runner(powers: Powers) -> Iterator[str]:
    """Say what the running role may and must not: it inserts and reads, and owns nothing."""
    yield from _excess(powers)
    if powers.rewritable:
        yield f"may change {_named(powers.rewritable)}: REVOKE UPDATE, DELETE, TRUNCATE"


def excess_of_reader(powers: Powers) -> Iterator[str]:
    """Say what a role may and must not that is there to read."""
    yield from _excess(powers)
    if powers.writable:
        yield f"may write to {_named(powers.writable)}: give it SELECT alone"
    if powers.definers:
        yield f"may call {_named(powers.definers)}: REVOKE EXECUTE"


def _excess(powers: Powers) -> Iterator[str]:
    if powers.attributes:
        yield f"is {', '.join(powers.attributes)}, or can become: use a role that is not"
    if powers.owned:
        yield f"owns {_named(powers.owned)}, or can become who does: use a role that owns nothing"
    if powers.makes_objects:
        yield "may make objects in schema public: REVOKE CREATE ON SCHEMA public"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED_MAX]) + (" and more" if len(names) > NAMED_MAX else "")


def _refuse(what: str, faults: Iterator[str]) -> None:
    if found := "; ".join(faults):
        raise ConfigurationError(f"{what}: {found}")


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[WriterConnection]:
    """Lend a session as the server gives it to anybody, without our settings."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnavailableError(f"database: {type(error).__name__}") from error


async def _require_server(connection: WriterConnection, demands: Demands) -> None:
    row = await connection.fetchrow(_SERVER)
    assert row is not None
    _refuse("database", faults_of(Server(**row), demands))


_PID: Final[LiteralString] = "SELECT pg_backend_pid()"
_MARK: Final[LiteralString] = """
    SELECT set_config('sekisho.session', $1, false), pg_try_advisory_lock(9, pg_backend_pid())
"""
_IS_MARKED: Final[LiteralString] = """
    SELECT current_setting('sekisho.session', true) = $1 AND pg_advisory_unlock(9, pg_backend_pid())
"""


async def _require_own_session(connection: WriterConnection) -> None:
    """Refuse a connection that somebody in between lends to others as well (PROTOCOL §5).

    A pooler that keeps the keys by which statements are cancelled to itself shows another process
    than the one that answers; the rest shows one that changes the process between statements.
    """
    pid = connection.get_server_pid()
    try:
        is_own = await connection.fetchval(_PID) == pid
        await connection.fetchrow(_MARK, str(pid))
        is_marked = bool(await connection.fetchval(_IS_MARKED, str(pid)))
    except asyncpg.InvalidSQLStatementNameError:
        is_own = is_marked = False  # prepared in one session, wanted in another
    if not (is_own and is_marked):
        raise ConfigurationError(
            "database.dsn leads to a pooler: records need a session of their own; name PostgreSQL"
        )


# What a role may do itself, and what any role may that it could become (`SET ROLE`).
_POWERS: Final[LiteralString] = """
    WITH reachable AS (
        SELECT oid, rolsuper, rolbypassrls, rolcreaterole, rolreplication
          FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')
    ), tables AS (
        SELECT c.oid, c.relname, c.relowner, c.oid IN (
                   SELECT unnest($1::text[])::regclass UNION
                   SELECT i.inhrelid FROM pg_inherits AS i
                     JOIN unnest($1::text[]) AS r (name) ON i.inhparent = r.name::regclass
               ) AS is_record
          FROM pg_class AS c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    ), functions AS (
        SELECT oid, proname, proowner, prosecdef
          FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    )
    SELECT session_user::text AS role,
           (SELECT array_remove(ARRAY[
                       CASE WHEN bool_or(rolsuper) THEN 'superuser' END,
                       CASE WHEN bool_or(rolbypassrls) THEN 'bypassrls' END,
                       CASE WHEN bool_or(rolcreaterole) THEN 'createrole' END,
                       CASE WHEN bool_or(rolreplication) THEN 'replication' END], NULL)
              FROM reachable) AS attributes,
           ARRAY(SELECT t.relname::text FROM tables AS t JOIN reachable AS r ON r.oid = t.relowner
                  UNION SELECT f.proname::text FROM functions AS f
                          JOIN reachable AS r ON r.oid = f.proowner
                  UNION SELECT d.datname::text FROM pg_database AS d
                          JOIN reachable AS r ON r.oid = d.datdba
                         WHERE d.datname = current_database()
                  ORDER BY 1) AS owned,
           ARRAY(SELECT t.relname::text FROM tables AS t
                  WHERE t.is_record AND EXISTS (SELECT FROM reachable AS r
                        WHERE has_table_privilege(r.oid, t.oid, 'UPDATE, DELETE, TRUNCATE')
                           OR has_any_column_privilege(r.oid, t.oid, 'UPDATE'))
                  ORDER BY 1) AS rewritable,
           ARRAY(SELECT t.relname::text FROM tables AS t
                  WHERE EXISTS (SELECT FROM reachable AS r
                        WHERE has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                           OR has_any_column_privilege(r.oid, t.oid, 'INSERT, UPDATE'))
                  ORDER BY 1) AS writable,
           ARRAY(SELECT f.proname::text FROM functions AS f
                  WHERE f.prosecdef AND EXISTS (SELECT FROM reachable AS r
                        WHERE has_function_privilege(r.oid, f.oid, 'EXECUTE'))
                  ORDER BY 1) AS definers,
           EXISTS (SELECT FROM reachable AS r
                    WHERE has_schema_privilege(r.oid, 'public', 'CREATE')) AS makes_objects
"""
# What a record is made of: written once, never changed.
RECORD_TABLES: Final = (
    *("log_entries", "log_months", "log_tiles", "peer_checkpoints"),
    *("basis_documents", "decision_basis"),
    *("core_documents", "core_directories", "core_inquiries", "core_outcomes"),
)

# A schema that is not there yet has none of them; that is for `check_schema` to say.
_THERE: Final[LiteralString] = """
    SELECT name FROM unnest($1::text[]) AS w (name) WHERE to_regclass(name) IS NOT NULL
"""


async def _read_powers(connection: WriterConnection) -> Powers:
    there = await connection.fetch(_THERE, list(RECORD_TABLES))
    row = await connection.fetchrow(_POWERS, [record["name"] for record in there])
    assert row is not None
    return Powers(**row)
