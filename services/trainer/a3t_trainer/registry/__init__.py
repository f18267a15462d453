"""Writes the adapter registry: publishes, promotes and rolls back versions, collects garbage, pushes to the Hub."""
