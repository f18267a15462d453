"""Trajectories in and out: the file formats that trainers and other projects use."""
