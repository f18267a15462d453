"""Plug-ins that write reasons for single environments (entry point group `a3t.reasons`, see `..plugins`)."""
