"""Base models on this machine: fetching them, and what each can do here (`a3t models`)."""
