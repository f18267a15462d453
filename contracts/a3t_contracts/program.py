"""Command lines of programs that take no arguments, only settings from the environment.

`--help` lists the settings; any argument is refused.
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
    """Read the settings of a program from the environment; `--help` prints them and exits.

    Args:
        program: command that starts the program, e.g. `python -m a3t_env`.
        about: what the program is, in a sentence or two.
        kind: class of the settings.
        arguments: command line; None takes that of the process.

    Raises:
        SystemExit: after the help, or with code 2 for an unknown argument.
        ValidationError: a setting in the environment is wrong.
    """
    program_parser(program, about, kind).parse_args(arguments)
    return kind()


def program_parser(program: str, about: str, *kinds: type[BaseSettings], notes: str = "") -> argparse.ArgumentParser:
    """Make a parser whose help names the program's purpose and settings.

    Args:
        program: command that starts the program.
        about: what the program is.
        kinds: classes of the settings that it reads from the environment.
        notes: lines that are added at the end of the help.
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
    """Return an entry for each setting: variable, default, meaning and unit. A class's own settings precede inherited
    ones."""
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
    """Return the default as it would be written in the environment."""
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == []:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(str(Path.home()), "~", 1) if isinstance(value, Path) else str(value)


def _choices(annotation: Any) -> list[str]:
    """Return the values of a Literal, also inside a union with None or inside a list."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]
