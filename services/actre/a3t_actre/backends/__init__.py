"""LLM servers that can be asked for completions: OpenAI-compatible ones and TGI."""
