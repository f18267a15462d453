"""From trajectories to weighted token sequences and to the batches of each optimiser step."""
