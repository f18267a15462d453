"""Output of `a3t play`: observations, suggestions and help."""

from __future__ import annotations

from collections.abc import Sequence

from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from a3t_contracts.schemas import ActResult, SessionInfo, StepResult

__all__ = ["HELP", "Screen"]

HELP = """\
Type an action as the environment understands it, the number of a listed action, or one of:
  (empty line)   do what the policy suggests
  :actions       list the actions that are possible now
  :suggest       ask the policy for its thought and action
  :why ACTION    ask ActRe for the reason of an action
  :hint          what the scripted expert would do
  :help          this text
  :quit          leave (Ctrl-D does the same)"""


class Screen:
    """Prints a game. Texts of the environment are never read as markup."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def opening(self, session: SessionInfo) -> None:
        """Print the task's name and the first observation."""
        title = f"{session.task.environment} · {session.task.type or 'task'}"
        self.console.print(
            Text(f"task {session.task.id}", "dim"), soft_wrap=True
        )  # a panel's title would cut the id off
        self._panel(self._plain(session, session.observation), title, f"at most {session.max_steps} steps · :help")

    def step(self, session: SessionInfo, result: StepResult) -> None:
        """Print an observation."""
        note = "" if result.valid else "the environment did not understand or allow that"
        title = f"step {result.index + 1} of {session.max_steps}"
        self._panel(self._plain(session, result.observation), title, note, "cyan" if result.valid else "yellow")

    def suggestion(self, suggestion: ActResult) -> None:
        """Print the policy's thought and action."""
        lines = Text.assemble(("policy ", "bold magenta"), (f"({suggestion.model})\n", "dim"))
        if suggestion.thought:
            lines.append(f"  {suggestion.thought}\n", "italic")
        lines.append(f"  {suggestion.action or '(no action)'}", "bold")
        self.console.print(lines)

    def actions(self, actions: Sequence[str]) -> None:
        """Print the actions as a numbered list."""
        numbered = [Text.assemble((f"{n:>3} ", "dim"), action) for n, action in enumerate(actions, 1)]
        self.console.print(Columns(numbered, padding=(0, 3)))

    def say(self, text: str, style: str = "") -> None:
        """Print a message of the program."""
        self.console.print(Text(text, style))

    def ending(self, steps: int, result: StepResult | None) -> None:
        """Print how the episode ended."""
        if result is None or not result.done:
            self.say(f"You left after {steps} steps.", "bold")
        elif result.success:
            self.say(f"Solved in {steps} steps, reward {result.reward:g}.", "bold green")
        else:
            self.say(f"Ended after {steps} steps without success, reward {result.reward:g}.", "bold red")

    def _panel(self, text: str, title: str, note: str = "", style: str = "cyan") -> None:
        self.console.print(
            Panel(
                Text(text),
                title=Text(title),
                subtitle=Text(note),
                title_align="left",
                subtitle_align="left",
                border_style=style,
            )
        )

    def _plain(self, session: SessionInfo, observation: str) -> str:
        if session.separator:
            return observation.strip().replace(session.separator, "\n")
        return "\n".join(line for line in observation.splitlines() if line.strip() and "-=" not in line)
