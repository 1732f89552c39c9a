"""The instance's database as its owner reaches it: for what is done beside the running gateway."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres, running_dsn


@contextmanager
def owner_database(settings: Settings) -> Iterator[str]:
    """Lend the owner's DSN; an embedded PostgreSQL is started where nobody runs it just now.

    Raises:
        ConfigurationError: database.owner_dsn is not set, or the embedded one is somebody's.
        UnavailableError: it does not come up.
    """
    if settings.database.owner_dsn is not None:
        yield settings.database.owner_dsn
        return
    if settings.database.dsn is not None:
        raise ConfigurationError("database.owner_dsn: needed beside database.dsn")
    running = running_dsn(settings.database_dir, OWNER_ROLE)
    if running is not None:
        yield running
        return
    is_durable = settings.environment != "test"
    with EmbeddedPostgres(settings.database_dir, is_durable=is_durable) as server:
        yield server.dsn(OWNER_ROLE)
