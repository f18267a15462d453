"""Pydantic schemas of the messages between services and of stored records."""

from .adapter import *  # noqa: F403
from .base import *  # noqa: F403
from .environment import *  # noqa: F403
from .job import *  # noqa: F403
from .listing import *  # noqa: F403
from .origin import *  # noqa: F403
from .policy import *  # noqa: F403
from .reason import *  # noqa: F403
from .recording import *  # noqa: F403
from .run import *  # noqa: F403
from .training import *  # noqa: F403
from .trajectory import *  # noqa: F403
