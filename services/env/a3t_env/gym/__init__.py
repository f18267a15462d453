"""Gymnasium in both directions: its environments as ours (`from_gymnasium`), and ours as its own.

Importing this module registers every environment that is known here with Gymnasium, where that is installed.
"""

from importlib.util import find_spec

from .wrapped import *  # noqa: F403

if find_spec("gymnasium") is not None:
    from .registration import *  # noqa: F403
    from .registration import register

    register()
