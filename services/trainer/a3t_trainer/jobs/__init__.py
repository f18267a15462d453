"""Fine-tuning jobs: their state on disk, and the processes that run them."""
