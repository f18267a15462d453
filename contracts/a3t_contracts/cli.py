"""What every command of `a3t` shares: consoles, `--json`, and errors in plain words with an exit code.

A package adds commands through the entry point group `a3t.cli`: name = "package.module:app" (a typer app); an app
with a single command becomes `a3t name`, one with several `a3t name COMMAND`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.text import Text

from .errors import A3TError, InvalidInputError, NotFoundError

__all__ = ["JsonOption", "console", "emit_json", "errors_console", "guarded", "one_command"]

ENTRY_POINT_GROUP = "a3t.cli"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that it does not understand; it has no public name."""


class _LineConsole(Console):
    """Breaks no sentence, so that names and paths stay whole where they are searched or copied; a terminal wraps."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        if soft_wrap is None:
            soft_wrap = all(isinstance(item, str) for item in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)


console: Console = _LineConsole()
errors_console: Console = _LineConsole(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]


def emit_json(value: Any) -> None:
    """Print a value (pydantic models included) as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n")


def one_command(function: Callable[..., Any]) -> typer.Typer:
    """A command line of a single command, its options from the function's parameters."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def guarded(main: Callable[[], Any] | typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, 2 for bad input, 3 for something unknown, 1 for other
    failures, 130 for Ctrl-C, 143 for SIGTERM. Errors are one message on stderr, never a traceback.

    Args:
        main: a typer app, or a function without arguments.
        arguments: of a typer app; by default the process's own.
    """
    _leave_on_sigterm()
    try:
        if isinstance(main, typer.Typer):
            code = main(arguments, standalone_mode=False)
            return code if isinstance(code, int) else 0
        main()
    except UsageError as error:
        return _misused(error)
    except typer.Abort:
        errors_console.print("Stopped.")
        return 1
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


def _leave_on_sigterm() -> None:
    """The first process of a container would ignore SIGTERM, however long it waits; a handler leaves.

    Programs that end in an orderly way set handlers of their own, in place of this one.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _misused(error: Any) -> int:
    """How the command is used, and what was wrong with this use of it."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    if error.ctx is not None:
        errors_console.print(error.ctx.get_usage(), markup=False, highlight=False)
        errors_console.print(f"`{error.ctx.command_path} --help` explains it.", markup=False, highlight=False)
    _complain(error.format_message())
    return int(error.exit_code)


def _complain(message: str) -> None:
    """An error on stderr, word for word and in one line: names in it may look like rich's markup."""
    errors_console.print(Text.assemble(("Error:", "red"), f" {message}"), soft_wrap=True)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
