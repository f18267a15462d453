"""Exports and imports episodes in the file formats that trainers and other projects use."""
