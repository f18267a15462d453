"""What every A³T service agrees on: schemas, the ReAct text format, typed clients, errors, settings, logging."""

__version__ = "0.1.0"
