"""Contrastive self-training as fine-tuning jobs."""
