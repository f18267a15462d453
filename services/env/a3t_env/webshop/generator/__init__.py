"""A catalogue of generated products, from a grammar of this project; it contains no text from elsewhere."""

from .products import GeneratedProducts

__all__ = ["GeneratedProducts"]
