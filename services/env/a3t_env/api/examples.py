"""Examples of request bodies for the OpenAPI pages."""

from __future__ import annotations

from fastapi.openapi.models import Example

__all__ = ["CREATE", "SAMPLE", "STEP", "STEPS"]

_TASK = "valid_seen/pick_heat_then_place_in_recep-Potato-None-Fridge-12/trial_T20190908_014451_271080"

CREATE: dict[str, Example] = {
    "alfworld": {
        "summary": "An ALFWorld game with the default engine",
        "value": {"environment": "alfworld", "task_id": _TASK, "include_actions": True},
    },
    "official": {
        "summary": "The same with the reference engine and a step cap of its own",
        "value": {"environment": "alfworld", "task_id": _TASK, "engine": "official", "max_steps": 30},
    },
}
STEP: dict[str, Example] = {
    "safe to repeat": {"value": {"action": "go to fridge 1", "index": 0}},
    "the next one": {"value": {"action": "open fridge 1"}},
}
STEPS: dict[str, Example] = {
    "two sessions": {
        "value": {
            "steps": [
                {"session_id": "0-5f0c3a9d27b8e1460c7f", "action": "go to fridge 1", "index": 0},
                {"session_id": "0-b1946ac92492d2347c62", "action": "look", "index": 7},
            ]
        }
    }
}
SAMPLE: dict[str, Example] = {
    "another than the policy's": {"value": {"seed": 17, "avoid": "go to fridge 1"}},
}
