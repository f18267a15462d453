"""The routers of the dashboard, one for each page or for a few pages that belong together."""

from . import adapters, control, episode, failures, login, play, run, runs, services, trajectories

__all__ = ["ROUTERS"]

ROUTERS = [
    login.router,
    runs.router,
    control.router,
    run.router,
    trajectories.router,
    episode.router,
    play.router,
    adapters.router,
    failures.router,
    services.router,
]
