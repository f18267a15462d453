"""A run whose processes all trace: a collector is sent one trace for each episode, across every service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from a3t_contracts.schemas import Trajectory
from tests.support.mini_loop import a3t
from tests.support.otlp import Collector, SeenSpan, collector

pytestmark = pytest.mark.timeout(1200)

SECRET = "the-secret-of-this-traced-loop"
RECIPE = Path(__file__).parents[2] / "configs" / "calculator-tiny.yaml"
FEW = {
    "extends": str(RECIPE),
    "rounds": 1,
    "data": {"tasks": 4, "held_out": [{"split": "test", "tasks": 2}]},
    "round0": {"demonstrations": 2, "evaluate_base": False},
    "compose": {"samples": 2, "first": 2, "p": 0.5},
    "training": {
        "optimisation": {"max_steps": 2, "threads": 1},
        "round0": {"optimisation": {"max_steps": 2, "threads": 1}},
    },
    "limits": {"max_steps": 4},
}


@dataclass
class Traced:
    """A run that was traced: its episodes, the spans that came, and the folder of its processes."""

    run: str
    home: Path
    episodes: dict[str, Trajectory]
    found: Collector
    spans: list[SeenSpan]

    def trace_of(self, span: SeenSpan) -> list[SeenSpan]:
        return [other for other in self.spans if other.trace == span.trace]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    home = tmp_path_factory.mktemp("home")
    recipe = home / "few.yaml"
    recipe.write_text(yaml.safe_dump(FEW), encoding="utf-8")
    with collector() as found:
        variables = {
            "A3T_TRACES": "true",
            "A3T_TOKEN": SECRET,
            "A3T_LOG_JSON": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": found.url,
            "OTEL_BSP_SCHEDULE_DELAY": "300",
        }
        finished = a3t(home, "run", str(recipe), "--json", timeout=1000, **variables)
        assert finished.returncode == 0, finished.stderr
    run = str(json.loads(finished.stdout)["run"])
    lines = a3t(home, "trajectories", "export", run).stdout.splitlines()
    episodes = [Trajectory.model_validate_json(line) for line in lines]
    return Traced(run, home, {e.id: e for e in episodes}, found, found.spans)


def test_every_episode_is_one_trace(traced: Traced) -> None:
    roots = [span for span in traced.spans if span.attributes.get("gen_ai.operation.name") == "invoke_agent"]
    assert {root.attributes["gen_ai.conversation.id"] for root in roots} == set(traced.episodes)
    assert len({root.trace for root in roots}) == len(traced.episodes)
    for root in roots:
        assert root.parent == ""
        assert root.service == "a3t-worker"
        assert root.name == f"invoke_agent {traced.run}"
        assert {s.attributes.get("gen_ai.conversation.id", None) for s in traced.trace_of(root)} <= {
            root.attributes["gen_ai.conversation.id"],
            None,
        }


def test_a_composed_episode_nests_every_service(traced: Traced) -> None:
    root, episode = next(
        (span, episode)
        for span in traced.spans
        if span.attributes.get("a3t.kind") == "composed"
        and (episode := traced.episodes[span.attributes["gen_ai.conversation.id"]])
        and {"policy", "sampled"} <= {step.source.value for step in episode.steps}
    )
    trace = traced.trace_of(root)
    assert {span.service for span in trace} == {"a3t-worker", "a3t-env", "a3t-policy", "a3t-actre"}
    below = [span for span in trace if span.parent == root.id]

    tools = sorted((s for s in below if s.name == "execute_tool calculator"), key=lambda s: s.start)
    assert [tool.attributes["a3t.step"] for tool in tools] == list(range(len(episode.steps)))
    assert [tool.attributes["a3t.valid"] for tool in tools] == [step.valid for step in episode.steps]
    assert {tool.service for tool in tools} == {"a3t-env"}
    assert {tool.attributes["gen_ai.tool.name"] for tool in tools} == {"calculator"}

    own = [step for step in episode.steps if step.source == "policy"]
    turns = [s for s in below if s.name == f"text_completion {episode.policy_version}"]
    assert len(turns) >= len(own)
    assert {turn.service for turn in turns} == {"a3t-policy"}
    for turn in turns:
        asked = turn.attributes
        assert asked["gen_ai.operation.name"] == "text_completion"
        assert asked["gen_ai.request.model"] == asked["gen_ai.response.model"] == episode.policy_version
        assert asked["gen_ai.usage.output_tokens"] > 0
    told = sorted(turn.attributes["gen_ai.usage.input_tokens"] for turn in turns)
    stored = [step.prompt_tokens for step in own if step.prompt_tokens is not None]
    assert set(stored) <= set(told)

    reasons = [s for s in below if s.name.startswith("write_reason")]
    assert {span.service for span in reasons} == {"a3t-actre"}
    assert len(reasons) == sum(step.reason_by == "actre" for step in episode.steps)

    (opened,) = [s for s in trace if s.service == "a3t-env" and s.name == "POST /v1/sessions"]
    (call,) = [s for s in trace if s.id == opened.parent]
    assert (call.service, call.parent) == ("a3t-worker", root.id)

    results = {told["gen_ai.evaluation.name"]: told for name, told in root.events if name == "gen_ai.evaluation.result"}
    assert results["reward"]["gen_ai.evaluation.score.value"] == episode.reward
    assert results["success"]["gen_ai.evaluation.score.label"] == ("pass" if episode.success else "fail")
    assert all(root.start <= span.start <= root.end for span in below)


def test_an_episode_is_linked_to_the_task_that_the_driver_sent(traced: Traced) -> None:
    by_id = {span.id: span for span in traced.spans}
    root = next(span for span in traced.spans if span.name == f"invoke_agent {traced.run}")
    ((_, task_id),) = root.links
    task = by_id[task_id]
    assert (task.service, task.name) == ("a3t-worker", "run/a3t.run_episodes")
    sent = by_id[task.parent]
    assert sent.name == "apply_async/a3t.run_episodes"
    phase = by_id[sent.parent]
    assert phase.name == f"phase {phase.attributes['a3t.phase']}"
    assert phase.parent == ""
    assert phase.service == sent.service != "a3t-worker"
    batches = [s for s in traced.trace_of(task) if s.name == "POST /v1/act"]
    assert {s.service for s in batches} <= {"a3t-policy"}


def test_training_is_a_trace_across_driver_and_trainer(traced: Traced) -> None:
    trained = [span for span in traced.spans if span.name == "phase train"]
    assert sorted(span.attributes["a3t.round"] for span in trained) == [0, 1]
    for phase in trained:
        trace = traced.trace_of(phase)
        assert {span.service for span in trace} == {phase.service, "a3t-trainer"}
        (job,) = [span for span in trace if span.name.startswith("fine_tune ")]
        assert job.attributes["a3t.status"] == "succeeded"
        assert job.attributes["a3t.optimiser_steps"] == 2
        created = next(span for span in trace if span.id == job.parent)
        assert created.name == "POST /v1/fine_tuning/jobs"
        assert len(trace) < 20, "asking for the job's state makes no spans"


def test_spans_have_no_secret_and_no_text(traced: Traced) -> None:
    sent = b"".join(traced.found.bodies)
    assert traced.found.paths == {"/v1/traces"}
    assert SECRET.encode() not in sent
    steps = [step for episode in traced.episodes.values() for step in episode.steps]
    texts = {text for step in steps for text in (step.observation, step.thought, step.completion) if text}
    long = {text for text in texts if len(text) > 20}
    assert long
    assert not [text for text in long if text.encode() in sent]


def test_log_lines_of_the_worker_have_the_ids(traced: Traced) -> None:
    log = (traced.home / "logs" / "worker.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]  # Celery greets in its own way
    assert {line["service"] for line in lines} == {"worker"}
    ended = [line for line in lines if line["event"] == "chunk.finished"]
    assert ended
    assert {line["run"] for line in ended} == {traced.run}
    tasks = {s.attributes.get("celery.task_id", s.attributes.get("messaging.message.id")) for s in traced.spans}
    assert {line["request_id"] for line in ended} <= tasks
    assert {line["trace_id"] for line in ended} <= {span.trace for span in traced.spans}
