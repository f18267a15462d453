"""The shop itself: pages, sessions, and the players that need no model."""
