"""The ReAct text format: render a history, parse a reply."""

from .format import *  # noqa: F403
from .history import *  # noqa: F403
