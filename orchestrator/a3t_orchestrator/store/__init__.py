"""The store: what every run did and has to do. The database is the truth, the queue only transport."""

from .branch import *  # noqa: F403
from .database import *  # noqa: F403
from .episodes import *  # noqa: F403
from .outcomes import *  # noqa: F403
from .records import *  # noqa: F403
from .runs import *  # noqa: F403
from .tables import *  # noqa: F403
from .work import *  # noqa: F403
