"""The general few-shot prompts, for environments whose plug-in has none. Each version is a file that never changes."""
