"""Rounds: planning work, composing, pairing, training, evaluating (paper §2, §3, §5)."""
