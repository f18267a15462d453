"""Goals: what an episode asks for, drawn as the original draws it, and what a purchase is worth."""
