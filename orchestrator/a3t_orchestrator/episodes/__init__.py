"""Episodes: the environment, the policy and ActRe at work on one task, many at a time."""

from .chunk import *  # noqa: F403
from .gateway import *  # noqa: F403
from .plan import *  # noqa: F403
from .reasons import *  # noqa: F403
from .runner import *  # noqa: F403
