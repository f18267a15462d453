"""Runs a Redis-compatible server, the services and a worker as local child processes."""

from .stack import *  # noqa: F403
from .state import *  # noqa: F403
