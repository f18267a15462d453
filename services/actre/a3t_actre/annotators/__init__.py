"""Annotators write reasons: `template` by a grammar, `llm` by a language model."""
