"""Which run, episode and request a process works for: in its log lines, in headers to other services, and, where
A3T_TRACES is set, in OpenTelemetry spans.

`ids` needs nothing. `spans` costs next to nothing, and imports nothing, until `start` has been asked to trace.
"""

from .ids import *  # noqa: F403
from .spans import *  # noqa: F403
from .start import *  # noqa: F403
