"""Practice in the shop: exercises, tokenizer and card of the base model for WebShop."""

from .practice import ShopPractice

__all__ = ["ShopPractice"]
