"""The ReAct text format: render a history, encode it, parse a reply."""

from .chat import *  # noqa: F403
from .encode import *  # noqa: F403
from .format import *  # noqa: F403
from .purpose import *  # noqa: F403
