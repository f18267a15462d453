"""The FastAPI shell that all services share: problem documents, bearer tokens, limits, health, metrics."""

from .body import *  # noqa: F403
from .connection import *  # noqa: F403
from .factory import *  # noqa: F403
from .gpus import *  # noqa: F403
from .lane import *  # noqa: F403
from .server import *  # noqa: F403
