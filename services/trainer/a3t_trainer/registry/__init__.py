"""Writing the adapter registry: publish, promote, roll back, collect garbage, push to the Hub."""
