"""`python -m a3t_orchestrator.worker` runs a Celery worker."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded

from .process import main

if __name__ == "__main__":
    sys.exit(guarded(main))
