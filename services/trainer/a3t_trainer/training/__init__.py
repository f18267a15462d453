"""The training itself, in the job's child process: model, objective, Trainer, checkpoints."""
