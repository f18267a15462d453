"""Typed async clients of the services."""

from .actre import *  # noqa: F403
from .base import *  # noqa: F403
from .env import *  # noqa: F403
from .orchestrator import *  # noqa: F403
from .policy import *  # noqa: F403
from .trainer import *  # noqa: F403
