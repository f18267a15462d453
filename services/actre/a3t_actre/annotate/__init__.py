"""`a3t annotate`: reasons for logs of actions."""
