"""`a3t pretrain`: the tiny base model, made from nothing but text that the project generates itself."""
