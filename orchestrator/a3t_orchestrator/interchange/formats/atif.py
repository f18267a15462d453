"""ATIF, the Agent Trajectory Interchange Format of Harbor (terminal-bench), written in version 1.7."""

from __future__ import annotations

from typing import Any

from a3t_contracts import __version__
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import completion_text, observation_text
from a3t_contracts.schemas import ReasonBy, Source, Step, Trajectory

from ..chat import draft_of
from ..columns import Row
from ..contents import call_text, plain_text
from ..draft import META, Draft, meta_of
from ..format import Format, RowOptions
from ..message import Message, Role

__all__ = ["FORMAT"]

_VERSION = "ATIF-v1.7"
_TOOL = {
    "type": "function",
    "function": {
        "name": "act",
        "description": "Do an action in the words of the environment.",
        "parameters": {"type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"]},
    },
}
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "agent": "assistant"}
_IN_PLACE = {"index", "observation", "thought", "action", "completion", "completion_ids", "logprobs", "prompt_tokens"}
"""Fields of a step that ATIF has fields for; the others are written to `extra`."""


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    steps: list[Row] = []
    if head := trajectory.preamble.rstrip("\n"):
        steps.append({"source": "system", "message": head})
    first = trajectory.steps[0].observation if trajectory.steps else trajectory.final_observation
    steps.append({"source": "user", "message": observation_text(first, trajectory.multiline)})
    after = [step.observation for step in trajectory.steps[1:]] + [trajectory.final_observation]
    steps += [
        _agent(s, observation_text(o, trajectory.multiline)) for s, o in zip(trajectory.steps, after, strict=True)
    ]
    counts = {
        "total_completion_tokens": sum(len(s.completion_ids or ()) for s in trajectory.steps),
        "total_steps": len(steps),
    }
    agent = {"name": "a3t", "version": __version__, "tool_definitions": [_TOOL]}
    if trajectory.policy_version:
        agent["model_name"] = trajectory.policy_version
    return {
        "schema_version": _VERSION,
        "session_id": trajectory.run,
        "trajectory_id": trajectory.id,
        "agent": agent,
        "steps": [{"step_id": place} | step for place, step in enumerate(steps, 1)],
        "final_metrics": counts,
        "extra": _without_nothing(meta_of(trajectory)) | {"multiline": trajectory.multiline},
    }


def _agent(step: Step, observation: str) -> Row:
    call = f"call_{step.index}"
    text = step.completion if step.completion is not None else completion_text(step.thought, step.action)
    row: Row = {"source": "agent", "message": text.rstrip("\n")}
    if step.policy_version:
        row["model_name"] = step.policy_version
    if step.thought:
        row["reasoning_content"] = step.thought
    row["tool_calls"] = [{"tool_call_id": call, "function_name": "act", "arguments": {"action": step.action}}]
    row["observation"] = {"results": [{"source_call_id": call, "content": observation}]}
    if metrics := _metrics(step):
        row["metrics"] = metrics
    row["extra"] = step.model_dump(mode="json", exclude=_IN_PLACE, exclude_none=True)
    return row


def _metrics(step: Step) -> Row:
    ids = step.completion_ids
    values = {
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": None if ids is None else len(ids),
        "completion_token_ids": ids,
        "logprobs": step.logprobs,
    }
    return _without_nothing(values)


def _read(row: Row) -> Draft:
    """Read a record. One that A³T wrote is read back field by field; from others the dialogue, the tool calls and their
    results are read."""
    steps = row["steps"]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise InvalidInputError("steps: a list of objects was expected")
    raw_extra, agent = row.get("extra"), row.get("agent")
    extra = raw_extra if isinstance(raw_extra, dict) else {}
    meta = {key: extra.get(key) for key in META} | {"id": row.get("trajectory_id") or row.get("session_id")}
    if isinstance(agent, dict) and meta["policy_version"] is None and isinstance(agent.get("model_name"), str):
        meta["policy_version"] = agent["model_name"]
    draft = draft_of(_messages(steps), meta | {"task_id": extra.get("task_id") or meta["id"]})
    acting = [step for step in steps if step.get("source") == "agent" and not step.get("is_copied_context")]
    for place, (step, told) in enumerate(zip(draft.steps, acting[-len(draft.steps) :], strict=False)):
        draft.steps[place] = _restored(step, told, own=meta["kind"] is not None)
    draft.multiline = bool(extra.get("multiline", draft.multiline))
    return draft


def _messages(steps: list[Any]) -> list[Message]:
    """Return the steps as a chat. Each result of a tool call becomes a message of the environment."""
    messages: list[Message] = []
    for number, step in enumerate(steps, 1):
        where, source = f"step {number}", step.get("source")
        if step.get("is_copied_context"):
            continue
        if source not in _ROLES:
            raise InvalidInputError(f"{where}: the unknown source {str(source)[:40]!r}")
        text = plain_text(step.get("message"), where)
        if source == "agent":
            text = _action_text(step, text, where)
        thought = step.get("reasoning_content")
        messages.append(
            Message(_ROLES[source], text, thought=thought if isinstance(thought, str) and thought else None)
        )
        observation = step.get("observation")
        if isinstance(observation, dict):
            results = observation.get("results")
            if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
                raise InvalidInputError(f"{where}: observation.results is not a list of objects")
            texts = [plain_text(result.get("content"), where) for result in results]
            messages.append(Message("user", "\n".join(texts)))
    return messages


def _action_text(step: Row, message: str, where: str) -> str:
    """Return the turn in the ReAct format, with the tool calls as its action; for a step without tool calls, its
    message."""
    calls = step.get("tool_calls")
    if not calls:
        return message
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise InvalidInputError(f"{where}: tool_calls is not a list of objects")
    if len(calls) == 1 and calls[0].get("function_name") == "act" and "Action:" in message:
        return message
    acts = "; ".join(call_text(call.get("function_name"), call.get("arguments"), where) for call in calls)
    thought = step.get("reasoning_content") or message
    return completion_text(thought if isinstance(thought, str) else None, acts).rstrip("\n")


def _restored(step: Step, told: Row, *, own: bool) -> Step:
    """Return the step with the token figures of the metrics, and with A³T's own fields if the record has them."""
    metrics = told["metrics"] if isinstance(told.get("metrics"), dict) else {}
    extra = told["extra"] if own and isinstance(told.get("extra"), dict) else {}
    known = {name: value for name, value in extra.items() if name in Step.model_fields}
    values = step.model_dump() | known
    if own:
        values["thought"] = told.get("reasoning_content")
        values["action"] = told["tool_calls"][0]["arguments"]["action"]
        exact = completion_text(values["thought"], values["action"]).rstrip("\n") == told.get("message")
        values["completion"] = None if exact else f"{told.get('message')}\n"
        values |= {"completion_ids": metrics.get("completion_token_ids"), "logprobs": metrics.get("logprobs")}
        values["prompt_tokens"] = metrics.get("prompt_tokens")
    elif isinstance(told.get("model_name"), str):
        values["policy_version"] = told["model_name"]
    values.setdefault("source", Source.imported)
    values.setdefault("reason_by", ReasonBy.none)
    return Step.model_validate(values)


def _without_nothing(values: Row) -> Row:
    return {name: value for name, value in values.items() if value is not None}


FORMAT = Format(
    name="atif",
    title=f"{_VERSION}, the Agent Trajectory Interchange Format of Harbor and terminal-bench",
    columns={
        "schema_version": "string",
        "session_id": "string",
        "trajectory_id": "string",
        "agent": {"name": "string", "version": "string", "model_name": "string", "tool_definitions": "json"},
        "steps": [
            {
                "step_id": "int",
                "source": "string",
                "model_name": "string",
                "message": "string",
                "reasoning_content": "string",
                "tool_calls": [{"tool_call_id": "string", "function_name": "string", "arguments": "json"}],
                "observation": {"results": [{"source_call_id": "string", "content": "string"}]},
                "metrics": {
                    "prompt_tokens": "int",
                    "completion_tokens": "int",
                    "completion_token_ids": ["int"],
                    "logprobs": ["float"],
                },
                "extra": "json",
            }
        ],
        "final_metrics": {"total_completion_tokens": "int", "total_steps": "int"},
        "extra": "json",
    },
    row=_row,
    read=_read,
    recognises=lambda row: str(row.get("schema_version", "")).startswith("ATIF") and "steps" in row,
    for_training=False,
    order=-1,
)
