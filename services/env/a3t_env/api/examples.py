"""Examples of request bodies for the OpenAPI pages."""

from __future__ import annotations

from fastapi.openapi.models import Example

__all__ = ["CREATE", "HINDSIGHT", "SAMPLE", "STEP", "STEPS"]

CREATE: dict[str, Example] = {
    "default": {
        "summary": "An episode with the default engine; GET /v1/environments and /v1/tasks list both names",
        "value": {"environment": "NAME", "task_id": "TASK", "include_actions": True},
    },
    "chosen": {
        "summary": "The same with a seed, an engine and a step cap",
        "value": {"environment": "NAME", "task_id": "TASK", "seed": 3, "engine": "ENGINE", "max_steps": 30},
    },
}
STEP: dict[str, Example] = {
    "safe to repeat": {"value": {"action": "open the door", "index": 0}},
    "the next one": {"value": {"action": "go in"}},
}
STEPS: dict[str, Example] = {
    "two sessions": {
        "value": {
            "steps": [
                {"session_id": "0-5f0c3a9d27b8e1460c7f", "action": "open the door", "index": 0},
                {"session_id": "0-b1946ac92492d2347c62", "action": "look", "index": 7},
            ]
        }
    }
}
SAMPLE: dict[str, Example] = {
    "another than the policy's": {"value": {"seed": 17, "avoid": "open the door"}},
}
HINDSIGHT: dict[str, Example] = {
    "an episode that failed": {
        "value": {"environment": "NAME", "task_id": "TASK", "actions": ["open the door", "go in", "take the lamp"]}
    },
}
