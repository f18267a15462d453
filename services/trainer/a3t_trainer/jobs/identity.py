"""The id of a job."""

from __future__ import annotations

import hashlib

from a3t_contracts.schemas.job import FineTuningJobCreate

__all__ = ["job_id"]


def job_id(request: FineTuningJobCreate, attempt: int = 0) -> str:
    """`ftjob-` and 24 hex digits of a SHA-256 over the request and how many jobs for its version came before."""
    key = f"{attempt}\x1f{request.model_dump_json()}"
    return f"ftjob-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
