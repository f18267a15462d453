"""Reasons for single environments, each a plug-in of the group `a3t.reasons` (see `..plugins`)."""
