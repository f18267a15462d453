"""The report of a run. Every figure comes from the database."""
