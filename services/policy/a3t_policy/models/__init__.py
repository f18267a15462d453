"""Base models on this machine (`a3t models`): fetches them, and checks what each needs and how fast it is here."""
