"""`a3t data VERB ENVIRONMENT`: fetch, import, generate, list and verify the data of every environment.

Each environment brings a `DataCommands` (named by the entry point group `a3t.data`): one function for a
verb, with typer options of its own. `mount.app` adds every function as the command `a3t data <verb> <environment>`;
a verb that an environment does not know is None. Errors are typed (a3t_contracts.errors) and turned into one message
and an exit code by the shell around it.
"""

from .commands import DataCommands, data_home

__all__ = ["DataCommands", "data_home"]
