"""`a3t play` and `a3t chat`: a person plays an environment in the terminal, with or without the policy's help."""
