"""Goals: the instructions of episodes, drawn as the original draws them, and the reward of a purchase."""
