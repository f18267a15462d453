"""`python -m a3t_actre`: serve with the settings of the environment."""

from __future__ import annotations

from a3t_contracts.cli import guarded
from a3t_contracts.service import serve

from .app import create_app
from .settings import ActReSettings


def main() -> None:
    """Run until stopped."""
    settings = ActReSettings()
    serve(create_app(settings), settings, "actre")


if __name__ == "__main__":
    raise SystemExit(guarded(main))
