"""One router a page (or a few pages that belong together)."""

from . import adapters, control, episode, failures, login, run, runs, services, trajectories

__all__ = ["ROUTERS"]

ROUTERS = [
    login.router,
    runs.router,
    control.router,
    run.router,
    trajectories.router,
    episode.router,
    adapters.router,
    failures.router,
    services.router,
]
