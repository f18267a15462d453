"""`python -m a3t_policy`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .engine.exact import ask_for_exact_rows
from .processes.count import engine_processes
from .processes.forking import begin_forking
from .settings import PolicySettings

_ABOUT = (
    "Serves the policy LLM and its adapter versions over HTTP until it is stopped, with the APIs of OpenAI, TGI and "
    "A³T. The LLM runs in this process, or on upstream servers (vLLM, SGLang, TGI)."
)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_policy", _ABOUT, PolicySettings)
    ask_for_exact_rows()
    local = settings.policy_backend == "local"
    if local and engine_processes(settings, resolve_base_model(settings.policy_base_model)) > 1:
        begin_forking()
    # Imported late, so that --help does not wait for torch, and torch sees the environment variables that were set
    # above.
    from a3t_contracts.service import serve

    from .app import create_app

    serve(create_app(settings), settings, "policy")


if __name__ == "__main__":
    sys.exit(guarded(main))
