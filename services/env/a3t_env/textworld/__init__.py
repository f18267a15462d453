"""TextWorld: generated interactive fiction, played on the textworld package in child processes."""
