"""Several processes that serve one port: each holds a part of the sessions and passes requests for others on."""

from .router import SessionRouter
from .serve import process_app, serve_processes

__all__ = ["SessionRouter", "process_app", "serve_processes"]
