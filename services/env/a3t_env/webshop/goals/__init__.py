"""Goals: the instruction of an episode, drawn as the original draws it, and the reward of a purchase."""
