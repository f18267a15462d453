"""The open sessions of one process in the order of their last use, and the ids of recently closed ones."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator

from a3t_contracts.errors import GoneError, NotFoundError, OverloadedError

from .. import metrics
from .session import Session, SessionLimits

__all__ = ["SessionTable"]


class SessionTable:
    """The open sessions of a process. Not thread-safe; used from the event loop. `clock` returns seconds."""

    def __init__(self, limits: SessionLimits, slot: int, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._slot = slot
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._closed: OrderedDict[str, str] = OrderedDict()
        self._starting = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def new_id(self) -> str:
        """Make a session id that cannot be guessed. The part before its dash is the number of the process that holds
        the session.
        """
        return f"{self._slot}-{secrets.token_hex(10)}"

    def reserve(self) -> None:
        """Reserve a place for a session that is being started. Raises OverloadedError if all places are taken."""
        if len(self._open) + self._starting >= self._limits.max_sessions:
            raise OverloadedError(
                f"All {self._limits.max_sessions} sessions are in use.",
                hint="Close finished sessions, or raise A3T_ENV_MAX_SESSIONS.",
                retry_after=2.0,
            )
        self._starting += 1

    def release(self) -> None:
        """Free a reserved place."""
        self._starting -= 1

    def add(self, session: Session) -> None:
        """Add an open session."""
        self._open[session.id] = session
        self._closed.pop(session.id, None)
        metrics.OPEN.inc()

    def get(self, session_id: str) -> Session:
        """Return an open session, and count it as used now. Raises GoneError, NotFoundError."""
        session = self._open.get(session_id)
        if session is None:
            raise self._absent(session_id)
        self.touch(session)
        return session

    def touch(self, session: Session) -> None:
        """Mark a session as used now, if it is still open."""
        if session.id in self._open:
            session.touched = self._clock()
            self._open.move_to_end(session.id)

    def remove(self, session_id: str, why: str) -> Session | None:
        """Remove a session from the open ones, and remember why. Returns None if it is closed already. Raises
        NotFoundError for an unknown id.
        """
        session = self._open.pop(session_id, None)
        if session is None:
            if session_id in self._closed:
                return None
            raise self._absent(session_id)
        metrics.OPEN.dec()
        self._closed[session_id] = why
        while len(self._closed) > self._limits.remembered_ids:
            self._closed.popitem(last=False)
        return session

    def idle(self) -> list[Session]:
        """Sessions that were not used for `idle_seconds` and have no running step, the longest idle first."""
        since = self._clock() - self._limits.idle_seconds
        found = []
        for session in self._open.values():
            if session.touched > since:
                break
            if session.making is None:
                found.append(session)
        return found

    def _absent(self, session_id: str) -> GoneError | NotFoundError:
        why = self._closed.get(session_id)
        if why is not None:
            return GoneError(f"Session {session_id} {why}.", hint="Open a new session.")
        return NotFoundError(
            f"There is no session {session_id[:80]!r}.",
            hint="Sessions end when the service restarts: open a new one and repeat the episode's actions.",
        )
