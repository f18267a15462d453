"""Few-shot prompts for environments that bring none of their own, one immutable file a version."""
