"""`a3t annotate`: writes the reasons of actions into logs of episodes."""
