"""`a3t data VERB ENVIRONMENT`: fetch, import, generate, list and verify the data of every environment.

An environment brings a `DataCommands` (entry point group `a3t.data`): one function per verb, with typer options of its
own. `mount.app` adds each function as the command `a3t data VERB ENVIRONMENT`. Verbs that an environment does not have
are None.
"""

from .commands import DataCommands, data_home

__all__ = ["DataCommands", "data_home"]
