"""The workers: Celery tasks that play episodes with the environment, the policy and ActRe, many at the same time."""

from .chunk import *  # noqa: F403
from .plan import *  # noqa: F403
from .reasons import *  # noqa: F403
from .runner import *  # noqa: F403
