"""Loads the object that `module:Class` or `path/to/file.py:Class` names."""

from __future__ import annotations

import importlib
import os
import sys

__all__ = ["TargetError", "load_target", "says_unplayable", "where_raised"]


class TargetError(Exception):
    """A target cannot be used; the message says what is wrong and what to do."""


def load_target(target: str) -> object:
    """Load the object of a target. Modules are also looked for in the current directory. Raises TargetError."""
    module_name, _, name = target.rpartition(":")
    folder = os.getcwd()
    if module_name.endswith(".py"):
        folder, file = os.path.split(os.path.abspath(os.path.expanduser(module_name)))
        if not os.path.isfile(os.path.join(folder, file)):
            raise TargetError(f"There is no file {os.path.join(folder, file)}.")
        module_name = file.removesuffix(".py")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise TargetError(
                f"There is no module {module_name!r}. Python looks in the current directory ({os.getcwd()}), in "
                "PYTHONPATH and among the installed packages: start the service where the module lies, or install it."
            ) from error
        raise TargetError(
            f"The module {module_name!r} needs {error.name!r}, which is not installed here: install it."
        ) from error
    except BaseException as error:
        raise TargetError(
            f"The module {module_name!r} cannot be imported: {where_raised(error)}. Correct it; "
            f"`python -c 'import {module_name}'` shows the whole traceback."
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = sorted(n for n, value in vars(found).items() if isinstance(value, type) and not n.startswith("_"))
            raise TargetError(
                f"The module {module_name!r} has no {name!r}. Its classes: {', '.join(known[:10]) or 'none'}."
            )
        found = getattr(found, part)
    return found


def says_unplayable(error: BaseException) -> bool:
    """Whether an exception has a true attribute `unplayable`, which says that the task can never be played."""
    return getattr(error, "unplayable", None) is True


def where_raised(error: BaseException) -> str:
    """Describe an error for its author: type and message, and the function, file and line outside this package that
    raised it last.
    """
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(("<", _HERE)):
            place = f" (in {code.co_name}, {code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    message = str(error)[:500]
    return f"{type(error).__name__}{': ' if message else ''}{message}{place}"


_HERE = os.path.dirname(__file__)
