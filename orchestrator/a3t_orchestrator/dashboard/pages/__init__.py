"""One router a page (or a few pages that belong together)."""

from . import episode, login, run, runs, trajectories

__all__ = ["ROUTERS"]

ROUTERS = [login.router, runs.router, run.router, trajectories.router, episode.router]
