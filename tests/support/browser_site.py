"""A running orchestrator for browsers, over a store that holds a few runs, with a real trainer behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from a3t_orchestrator.app import create_app
from a3t_orchestrator.dashboard.sessions import Sessions
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store
from tests.support.dashboard_store import BUSY, DONE, fill_store
from tests.support.dashboard_trainer import running_trainer
from tests.support.live_server import live_server

__all__ = ["TOKEN", "Site", "running_site"]

TOKEN = "a-token-of-the-browser-tests"


@dataclass(frozen=True)
class Site:
    """Where it runs, its store, settings and token."""

    url: str
    store: Store
    settings: OrchestratorSettings
    token: str = TOKEN

    def cookie(self) -> str:
        """The cookie of a browser that has signed in."""
        sessions, response = Sessions(self.settings), Response()
        sessions.write(response, sessions.new(self.token), secure=False)
        return response.headers["set-cookie"].partition("=")[2].partition(";")[0]


@contextmanager
def running_site(home: Path, **settings: object) -> Iterator[Site]:
    """A site with a filled store; `settings` are further settings of the orchestrator."""
    values = {"home": home, "token": TOKEN, "mode": "production", "redis_url": None} | settings
    found = OrchestratorSettings.model_validate(values)
    store = Store(found.database)
    store.upgrade()
    fill_store(store)
    try:
        with running_trainer(home / "trainer", TOKEN, store, {BUSY: 2, DONE: 4}) as trainer_url:
            found = found.model_copy(update={"trainer_url": trainer_url} | settings)
            with live_server(create_app(found)) as url:
                yield Site(url, store, found)
    finally:
        store.close()
