"""Annotators write reasons: `template` with a grammar, `llm` with a language model."""
