"""`a3t data VERB ENVIRONMENT`: fetch, import, generate, list and verify the data of every environment.

An environment declares a `DataCommands` (entry point group `a3t.data`): one function for each verb, with its own typer
options. `mount.app` adds each function as the command `a3t data VERB ENVIRONMENT`. A verb that an environment does not
have is None.
"""

from .commands import DataCommands, data_home

__all__ = ["DataCommands", "data_home"]
