"""Proof that both engines are the same: differential walks over games."""
