"""Products on disk: reads the original's files, builds a catalogue folder, opens it."""
