"""Reasons without an LLM: small grammars over the visible history, one an environment."""
