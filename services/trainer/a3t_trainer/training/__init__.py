"""The training of a job in its child process: model, objective, Trainer, checkpoints."""
