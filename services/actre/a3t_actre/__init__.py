"""The ActRe service: writes the reason of an action that was chosen before."""
