"""Few-shot prompts, one folder an environment, one immutable file a version."""
