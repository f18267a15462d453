"""Experiment trackers of runs: success, exploration, cost and sample episodes of every round."""
