"""ALFWorld: engines, games, data, expert."""
