"""The ActRe service: writes the reason for an action that was chosen before (act first, reason afterwards)."""
