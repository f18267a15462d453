"""Turns trajectories into token sequences with weights, and these into the batches of each optimiser step."""
