"""Recorded episodes: what somebody's own agent asked, what was generated, and the reward in the end."""
