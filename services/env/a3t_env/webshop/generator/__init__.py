"""Generates products from a grammar of this project. The catalogue contains no text from other sources."""

from .products import GeneratedProducts

__all__ = ["GeneratedProducts"]
