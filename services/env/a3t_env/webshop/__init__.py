"""WebShop without Java: one read-only catalogue per process, and sessions of a few kilobytes."""

from .environment import WebShopEnvironment

__all__ = ["WebShopEnvironment"]
