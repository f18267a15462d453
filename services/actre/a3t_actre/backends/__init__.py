"""Backends for LLM servers: OpenAI's API and TGI."""
