"""What every command of `a3t` shares: consoles, `--json`, and errors in plain words with an exit code.

A package adds commands through the entry point group `a3t.cli`: name = "package.module:app" (a typer app); an app
with a single command becomes `a3t name`, one with several `a3t name COMMAND`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape

from .errors import A3TError, InvalidInputError, NotFoundError

__all__ = ["JsonOption", "console", "emit_json", "errors_console", "guarded"]

ENTRY_POINT_GROUP = "a3t.cli"
console = Console()
errors_console = Console(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]


def emit_json(value: Any) -> None:
    """Print a value (pydantic models included) as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n")


def guarded(main: Callable[[], Any]) -> int:
    """Run a command line and return its exit code: 0, 2 for bad input, 3 for something unknown, 1 for other
    failures, 130 for Ctrl-C. Errors are one message on stderr, never a traceback."""
    try:
        main()
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        errors_console.print("Stopped.")
        return 130
    except ValidationError as error:
        first = error.errors()[0]
        _complain(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        return 2
    except A3TError as error:
        _complain(str(error))
        return 2 if isinstance(error, InvalidInputError) else 3 if isinstance(error, NotFoundError) else 1
    return 0


def _complain(message: str) -> None:
    """An error on stderr, word for word: names in it may look like rich's markup."""
    errors_console.print(f"[red]Error:[/red] {escape(message)}", highlight=False)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
