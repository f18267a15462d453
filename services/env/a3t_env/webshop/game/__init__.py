"""The shop: pages, sessions, and scripted players."""
