"""Few-shot prompts for environments without prompts of their own, one immutable file per version."""
