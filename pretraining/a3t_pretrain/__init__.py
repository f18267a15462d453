"""`a3t pretrain`: trains the tiny base models from scratch, on text that the project generates itself."""
