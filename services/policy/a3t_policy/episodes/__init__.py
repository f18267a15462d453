"""Recorded episodes of agents outside this project: prompts, completions and the final reward."""
