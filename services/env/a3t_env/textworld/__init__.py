"""TextWorld: generated text adventures, which the textworld package plays in child processes."""
