"""The orchestrator: drives runs, plays their episodes in Celery workers, stores them, and has the command line and the
dashboard."""
