"""The driver of a run: it plans the work of each round, has it done, trains and publishes (paper §2, §3, §5)."""
