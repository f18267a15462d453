"""Sends runs to experiment trackers: success, exploration, cost and sample episodes of every round."""
