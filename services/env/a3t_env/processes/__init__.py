"""Several server processes on one port: each holds some of the sessions and forwards requests for the others."""

from .router import SessionRouter
from .serve import process_app, serve_processes

__all__ = ["SessionRouter", "process_app", "serve_processes"]
