"""Several server processes on one port. Each holds some of the sessions, and forwards requests for other sessions to
the process that holds them.
"""

from .router import SessionRouter
from .serve import process_app, serve_processes

__all__ = ["SessionRouter", "process_app", "serve_processes"]
