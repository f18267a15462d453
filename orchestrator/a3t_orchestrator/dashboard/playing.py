"""Keeps the games that people play in the browser, in the memory of this process. A game's session in the env service
is closed when the game ends, is closed, or has been idle for 20 minutes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient, RetryPolicy
from a3t_contracts.errors import A3TError, NotFoundError, OverloadedError, UnavailableError
from a3t_contracts.schemas import ActResult

from ..play.game import Game, Services, TaskChoice
from ..settings import OrchestratorSettings

__all__ = ["Games", "Played", "Reason", "act"]

MOST_GAMES = 32
IDLE_SECONDS = 20 * 60.0
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason that ActRe wrote for an action."""

    action: str
    text: str


@dataclass(slots=True)
class Played:
    """A game, and what its page shows in addition to the history."""

    game: Game
    valid: list[bool] = field(default_factory=list)
    """For each step, whether the environment accepted the action."""
    by_policy: list[bool] = field(default_factory=list)
    """For each step, whether the action was the policy's suggestion."""
    actions: list[str] = field(default_factory=list)
    suggestion: ActResult | None = None
    reason: Reason | None = None
    trouble: str = ""
    used: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Games:
    """Opens, finds and closes the games of this process."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self.settings = settings
        self._games: dict[str, Played] = {}

    @asynccontextmanager
    async def services(self) -> AsyncIterator[Services]:
        """Open clients of the env, policy and ActRe services. Raises UnavailableError where an address is not known."""
        urls = self.settings.service_urls
        token, once = self.settings.token.get_secret_value(), RetryPolicy(attempts=1)
        for name in ("env", "policy", "actre"):
            if not urls[name]:
                raise UnavailableError(
                    f"The address of the {name} service is not known.", hint=f"Set A3T_{name.upper()}_URL."
                )
        found = Services(
            EnvClient(urls["env"] or "", token, timeout=_PATIENCE, retry=once),
            PolicyClient(urls["policy"] or "", token, timeout=_PATIENCE, retry=once),
            ActReClient(urls["actre"] or "", token, timeout=_PATIENCE, retry=once),
        )
        try:
            yield found
        finally:
            await found.aclose()

    async def start(self, choice: TaskChoice) -> str:
        """Open a game and return its name. Raises OverloadedError where too many are open."""
        async with self.services() as services:
            await self._close_idle(services)
            if len(self._games) >= MOST_GAMES:
                raise OverloadedError(
                    f"{MOST_GAMES} games are open.", hint="Close one, or wait until one has been idle for 20 minutes."
                )
            played = Played(await Game.start(services, choice, None, None, None))
            name = secrets.token_urlsafe(12)
            self._games[name] = played
            await _look(played)
        return name

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[Played]:
        """Lock a game for one request, and give it clients. Raises NotFoundError."""
        played = self.get(name)
        async with played.lock, self.services() as services:
            played.game.services, played.trouble = services, ""
            played.used = time.monotonic()
            try:
                yield played
            except A3TError as error:
                played.trouble = f"{error.detail} {error.hint or ''}".strip()

    def get(self, name: str) -> Played:
        """Return a game for reading only. Raises NotFoundError."""
        played = self._games.get(name)
        if played is None:
            raise NotFoundError(
                "There is no such game.",
                hint="It was closed, or the orchestrator was restarted. Begin a new one on the page Play.",
            )
        return played

    def open_games(self) -> dict[str, Played]:
        """Return the open games by name, the last used first."""
        return dict(sorted(self._games.items(), key=lambda item: -item[1].used))

    async def close(self, name: str) -> None:
        """End a game, and close its session in the env service."""
        async with self.open(name) as played:
            self._games.pop(name, None)
            await played.game.close()

    async def _close_idle(self, services: Services) -> None:
        """Close games that have been idle. Errors of the env service are ignored, because it closes idle sessions
        itself."""
        now = time.monotonic()
        for name, played in list(self._games.items()):
            if now - played.used > IDLE_SECONDS and not played.lock.locked():
                del self._games[name]
                played.game.services = services
                with suppress(A3TError):
                    await played.game.close()


async def act(played: Played, action: str) -> None:
    """Carry out an action, and read the admissible actions of the new state."""
    suggestion = played.suggestion
    result = await played.game.step(action, suggestion)
    played.valid.append(result.valid)
    played.by_policy.append(suggestion is not None and suggestion.action == action)
    played.suggestion = played.reason = None
    await _look(played)


async def _look(played: Played) -> None:
    """Read the admissible actions. There are none where the environment does not list them or the game is over."""
    played.actions = []
    if not played.game.over:
        with suppress(A3TError):
            played.actions = await played.game.actions()
