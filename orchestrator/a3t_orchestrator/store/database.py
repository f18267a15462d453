"""Opens the database and updates its schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from a3t_contracts.errors import InvalidInputError, UnavailableError
from a3t_contracts.logging import get_logger

from . import kept_text

__all__ = ["OUTAGE_SECONDS", "DatabaseAwayError", "Store", "alembic_config"]

Result = TypeVar("Result")

log = get_logger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
OUTAGE_SECONDS = 120.0
"""Seconds that the driver and the workers wait for a database that cannot be reached."""
_POSTGRESQL = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Options that close a connection after half a minute without an answer. The operating system would wait a quarter of
an hour, longer than an episode's lease."""
_MIGRATION_LOCK = 0x413354
"""Key of PostgreSQL's advisory lock: processes that start together migrate one after the other."""


class DatabaseAwayError(UnavailableError):
    """The database cannot be reached, or stayed locked."""


class Store:
    """The database behind one SQLAlchemy engine. It may be shared between threads.

    Args:
        url: SQLAlchemy URL; SQLite (write-ahead log) and PostgreSQL (`postgresql+psycopg://…`) are supported.
        patience: seconds for which `do` waits while the database cannot be reached or is locked.
    """

    def __init__(self, url: str, patience: float = OUTAGE_SECONDS) -> None:
        self.url = url
        self.patience = patience
        self.engine = _open(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction, which is committed at the end and rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

    async def do(self, work: Callable[[Session], Result], *, patience: float | None = None) -> Result:
        """Run `work` in a transaction, in a thread, so that the event loop is not blocked, and return its result.

        While the database cannot be reached or is locked, the transaction is tried again for `patience` seconds (by
        default those of the store). Then DatabaseAwayError is raised.
        """

        def transaction() -> Result:
            with self.session() as session:
                return work(session)

        wait = _patience(self.patience if patience is None else patience)
        try:
            async for attempt in AsyncRetrying(retry=retry_if_exception(_is_away), **wait):
                with attempt:
                    return await asyncio.to_thread(transaction)
        except DBAPIError as error:
            if _is_away(error):
                raise _unreachable(self.engine, error) from error
            raise
        raise AssertionError("unreachable")

    def upgrade(self, revision: str = "head") -> None:
        """Run the migrations that are missing. Raises DatabaseAwayError where the database cannot be reached."""
        try:
            with self.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                config = alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
        except DBAPIError as error:
            raise _unreachable(self.engine, error) from error

    def revision(self) -> str | None:
        """Return the revision of the schema; None for an empty database."""
        try:
            with self.engine.connect() as connection:
                return MigrationContext.configure(connection).get_current_revision()
        except DBAPIError as error:
            raise _unreachable(self.engine, error) from error

    def require_current(self, *, patience: float = 0.0) -> None:
        """Raise UnavailableError unless the schema is the one that this code needs.

        If the database cannot be reached, this waits for up to `patience` seconds.
        """
        wanted = ScriptDirectory.from_config(alembic_config()).get_current_head()
        found = Retrying(retry=retry_if_exception(_is_away), **_patience(patience))(self.revision)
        if found != wanted:
            raise UnavailableError(
                f"The database has schema {found or 'none'}, but this version of A³T needs {wanted}.",
                hint="Run `a3t db upgrade`.",
            )

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def alembic_config() -> Config:
    """Return Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInputError(
            "A3T_DATABASE_URL is not an SQLAlchemy URL.", hint="E.g. sqlite:////data/a3t.db"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": 60, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if backend == "postgresql":
        named = set(parsed.query)  # parameters in the URL take precedence
        arguments = {key: value for key, value in _POSTGRESQL.items() if key not in named}
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args=arguments,
            json_serializer=kept_text.dumps,
            json_deserializer=kept_text.loads,
        )
    raise InvalidInputError(
        f"A3T_DATABASE_URL names {backend}; SQLite and PostgreSQL are supported.",
        hint="E.g. postgresql+psycopg://user:password@host/a3t",
    )


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _patience(seconds: float) -> dict[str, Any]:
    """Return how tenacity waits for a database: shortly at first, then every few seconds."""
    wait = wait_exponential(multiplier=0.2, max=5.0)
    return {"stop": stop_after_delay(seconds), "wait": wait, "before_sleep": _tell, "reraise": True}


def _is_away(error: BaseException) -> bool:
    """Return whether the connection failed, rather than the query."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, (DatabaseAwayError, OperationalError, InterfaceError))


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("database.waiting", attempt=state.attempt_number, error=_cause(error))


def _unreachable(engine: Engine, error: DBAPIError) -> DatabaseAwayError:
    where = engine.url.render_as_string(hide_password=True)
    return DatabaseAwayError(
        f"The database {where} cannot be used: {_cause(error)}.",
        hint="Check that it runs and that A3T_DATABASE_URL is its address. Runs continue once it is reachable again.",
    )


def _cause(error: BaseException | None) -> str:
    """Return the message of the database driver on one line."""
    lines = str(getattr(error, "orig", error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
