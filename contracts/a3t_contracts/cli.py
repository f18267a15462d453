"""Parts that all commands of `a3t` share: consoles, the option `--json`, and errors as messages with an exit code.

A package adds commands through the entry point group `a3t.cli`: name = "package.module:app" (a typer app); an app
with a single command becomes `a3t name`, one with several `a3t name COMMAND`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.text import Text

from .errors import A3TError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["JsonOption", "console", "emit_json", "errors_console", "guarded", "one_command", "progress_bar"]

ENTRY_POINT_GROUP = "a3t.cli"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""The error that typer raises for a command line that it does not understand. typer has no public name for it."""


class _LineConsole(Console):
    """A console that does not wrap lines, so that names and paths can be searched and copied; the terminal wraps
    them."""

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


def progress_bar() -> Progress:
    """Make a progress bar on stderr with description, count and time left. It shows nothing where stderr is not a
    terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # slow to import

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors_console, disable=not errors_console.is_terminal, transient=True)


def one_command(function: Callable[..., Any]) -> typer.Typer:
    """Make a typer app with a single command from a function; the function's parameters are its options."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def guarded(main: Callable[[], Any] | typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Exit codes: 0 success, 1 failure, 2 wrong input, 3 something named does not exist, 130 Ctrl-C, 143 SIGTERM. An error
    is printed to stderr as one message, without a traceback.

    Args:
        main: a typer app, or a function without arguments.
        arguments: arguments for a typer app; None takes those of the process.
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
    """Make SIGTERM end the process. Linux ignores SIGTERM for the first process of a container unless it has a handler.
    Programs that shut down gracefully replace this handler later."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _misused(error: Any) -> int:
    """Print the usage line of the command and what was wrong with the arguments; return exit code 2."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    if error.ctx is not None:
        errors_console.print(error.ctx.get_usage(), markup=False, highlight=False)
        errors_console.print(f"`{error.ctx.command_path} --help` explains it.", markup=False, highlight=False)
    _complain(error.format_message())
    return int(error.exit_code)


def _complain(message: str) -> None:
    """Print an error to stderr on one line, without reading it as rich's markup."""
    errors_console.print(Text.assemble(("Error:", "red"), f" {message}"), soft_wrap=True)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
