"""The services as the driver and the workers see them."""

from .gateway import *  # noqa: F403
