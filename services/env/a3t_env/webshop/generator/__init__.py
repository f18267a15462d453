"""A catalogue of invented products, from our own grammar: no text in it was taken from anywhere."""

from .products import GeneratedProducts

__all__ = ["GeneratedProducts"]
