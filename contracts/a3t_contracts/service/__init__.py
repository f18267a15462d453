"""The FastAPI shell that all services share: problem documents, bearer tokens, limits, health, metrics."""

from .app import *  # noqa: F403
from .body import *  # noqa: F403
from .lane import *  # noqa: F403
