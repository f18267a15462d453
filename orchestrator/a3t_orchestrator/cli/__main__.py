"""`python -m a3t_orchestrator.cli` is `a3t`."""

from . import main

main()
