"""The command line of programs started with `python -m`: `--help` lists their settings; unknown arguments are refused.

What such a program can be told stands in its settings, which it reads from the environment; `--help` lists them.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

__all__ = ["program_parser", "settings_help", "settings_of_program"]

Settings = TypeVar("Settings", bound=BaseSettings)

_WIDTH = 100


def settings_of_program(
    program: str, about: str, kind: type[Settings], arguments: Sequence[str] | None = None
) -> Settings:
    """The settings of a program that takes no arguments.

    Answers `--help` and leaves; leaves with exit code 2 for any other argument.

    Args:
        program: how it is called, e.g. `python -m a3t_env`.
        about: what it is, in a sentence or two.
        kind: what it reads from the environment.
        arguments: the command line; by default the process's own.

    Raises:
        SystemExit: after the help, or for an argument that is not known.
        ValidationError: a setting in the environment is wrong.
    """
    program_parser(program, about, kind).parse_args(arguments)
    return kind()


def program_parser(program: str, about: str, *kinds: type[BaseSettings], notes: str = "") -> argparse.ArgumentParser:
    """A parser whose help says what the program is and which settings it reads.

    Args:
        program: how it is called.
        about: what it is.
        kinds: settings that it reads from the environment.
        notes: further lines at the end of the help.
    """
    parts = [settings_help(kind) for kind in kinds]
    if parts:
        parts.insert(
            0, "It reads these variables of the environment; the value is the default, empty where a variable is unset:"
        )
    return argparse.ArgumentParser(
        prog=program,
        description="\n".join(textwrap.wrap(about, _WIDTH)),
        epilog="\n\n".join([*parts, *([notes] if notes else [])]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def settings_help(kind: type[BaseSettings]) -> str:
    """A line for every variable: name, default, meaning, unit; those of this class before those that others share."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    own = [name for name in kind.__annotations__ if name in kind.model_fields]
    names = own + [name for name in kind.model_fields if name not in own]
    return "\n".join(_entry(f"{prefix}{name}".upper(), kind.model_fields[name]) for name in names)


def _entry(variable: str, field: FieldInfo) -> str:
    text = field.description or ""
    if choices := _choices(field.annotation):
        text = f"{text} ({', '.join(choices)})" if text else f"One of {', '.join(choices)}"
    return f"  {variable}={_default(field)}\n{textwrap.indent(textwrap.fill(text, _WIDTH - 6), ' ' * 6)}"


def _default(field: FieldInfo) -> str:
    """The default as one would write it into the environment."""
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == []:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(str(Path.home()), "~", 1) if isinstance(value, Path) else str(value)


def _choices(annotation: Any) -> list[str]:
    """The values of a Literal, also where None or a list of them is allowed."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]
