"""Clients of the services for the driver and the workers, with retries and batching."""

from .gateway import *  # noqa: F403
