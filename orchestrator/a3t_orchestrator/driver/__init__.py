"""The driver of a run: plans the work of each round, waits for it, trains the agent and makes it live (paper §2,
§5)."""
