"""Products on disk: reading the original's files, building a catalogue folder, opening it."""
