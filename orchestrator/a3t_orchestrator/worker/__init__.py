"""The workers: Celery tasks that play many episodes at the same time, with the env, policy and ActRe services."""

from .chunk import *  # noqa: F403
from .plan import *  # noqa: F403
from .reasons import *  # noqa: F403
from .runner import *  # noqa: F403
