"""Several processes that serve one port: each holds a part of the sessions and passes requests for others on."""

from .router import SessionRouter
from .serve import serve_workers, worker_app

__all__ = ["SessionRouter", "serve_workers", "worker_app"]
