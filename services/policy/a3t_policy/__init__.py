"""The policy LLM over HTTP."""
