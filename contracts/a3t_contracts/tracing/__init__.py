"""Records which run, episode and request a process works for: in its log lines, in headers to other services, and,
where A3T_TRACES is set, in OpenTelemetry spans.

`ids` always works. `spans` imports nothing and takes almost no time until `start_tracing` is called with tracing
switched on.
"""

from .ids import *  # noqa: F403
from .spans import *  # noqa: F403
from .start import *  # noqa: F403
