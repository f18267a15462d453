"""The ActRe service: writes reasons for actions that were already chosen."""
