"""A run's report. Every figure comes from the database."""
