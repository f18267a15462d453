"""WebShop without Java: one read-only catalogue a process, sessions of a few kilobytes."""

from .environment import WebShopEnvironment

__all__ = ["WebShopEnvironment"]
