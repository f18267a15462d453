"""Gymnasium in both directions: its environments in A³T (`from_gymnasium`), and A³T's in Gymnasium (`gymnasium.make`).

If Gymnasium is installed, importing this module registers every installed or configured environment with it.
"""

from importlib.util import find_spec

from .wrapped import *  # noqa: F403

if find_spec("gymnasium") is not None:
    from .registration import *  # noqa: F403
    from .registration import register

    register()
