"""The llm annotator against a real second server (the policy service), with faults injected between the two."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import generate_latest

from a3t_contracts.clients import ActReClient
from a3t_contracts.errors import Problem, UnavailableError
from a3t_contracts.schemas import Reason, ReasonQuery, ReasonsRequest
from tests.actre.conftest import ServiceFactory, Upstream, make_query
from tests.support.fault_proxy import FaultProxy
from tests.support.live_server import free_port
from tests.support.reason_model import SENTENCE


async def ask(client: ActReClient, *queries: ReasonQuery, annotator: str | None = None) -> list[Reason | Problem]:
    return (await client.reasons(ReasonsRequest(queries=list(queries), annotator=annotator))).results


async def ask_one(client: ActReClient, query: ReasonQuery) -> Reason:
    (result,) = await ask(client, query)
    assert isinstance(result, Reason), result
    return result


@pytest.mark.parametrize("upstream", ["openai", "chat", "tgi"], indirect=True)
async def test_the_llm_writes_the_reason(actre: ServiceFactory, upstream: Upstream, query: ReasonQuery) -> None:
    reason = await ask_one(await actre(**upstream), query)
    assert reason.reason == SENTENCE
    assert (reason.annotator, reason.fallback, reason.cached) == ("llm", False, False)
    assert reason.model
    assert reason.seconds > 0


async def test_the_whole_history_reaches_the_llm(actre: ServiceFactory, upstream: Upstream, proxy: FaultProxy) -> None:
    await ask_one(await actre(**upstream), make_query("open drawer 1", ("go to drawer 1", "The drawer 1 is closed.")))
    body = proxy.posts[-1]
    prompt = body.get("prompt") or body.get("inputs") or body["messages"][0]["content"]
    assert prompt.endswith("The drawer 1 is closed.\nAction: open drawer 1\nReason for the action:")


async def test_a_batch_runs_at_once_and_keeps_its_order(actre: ServiceFactory, upstream: Upstream) -> None:
    queries = [make_query(f"go to shelf {n}") for n in range(24)]
    results = await ask(await actre(**upstream, actre_concurrency=8), *queries)
    assert [r.reason for r in results if isinstance(r, Reason)] == [SENTENCE] * 24


async def test_a_reason_is_paid_for_once(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy
) -> None:
    first = await ask(await actre(**upstream), *[query] * 6)
    assert len(proxy.posts) == 1, "equal questions at once are asked once"
    assert sum(r.cached for r in first if isinstance(r, Reason)) == 5
    again = await ask_one(await actre(**upstream), query)
    assert again.cached, "another process finds it"
    assert again.reason == SENTENCE
    assert len(proxy.posts) == 1


async def test_without_a_cache_every_question_is_asked(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy
) -> None:
    results = await ask(await actre(**upstream, actre_cache_mb=0), query, query)
    assert len(proxy.posts) == 2
    assert not any(r.cached for r in results if isinstance(r, Reason))


@pytest.mark.parametrize("fault", [500, 503, 429, "cut", "html", "", "Action: open drawer 1", "on and " * 60])
async def test_a_passing_fault_costs_an_attempt_and_no_reason(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy, fault: int | str
) -> None:
    proxy.faults.append(fault)
    reason = await ask_one(await actre(**upstream), query)
    assert (reason.reason, reason.fallback) == (SENTENCE, False)
    assert len(proxy.posts) == 2


async def test_another_attempt_samples_anew(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy
) -> None:
    proxy.faults.append("")
    await ask_one(await actre(**upstream), query)
    greedy, sampled = (body.get("parameters", body) for body in proxy.posts)
    assert not greedy.get("temperature")
    assert sampled["temperature"] == 0.7
    assert sampled["seed"] != greedy["seed"]


@pytest.mark.parametrize("fault", [500, "cut", "html", "", "Observation: You arrive."])
async def test_the_fallback_is_recorded(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy, fault: int | str
) -> None:
    proxy.always = fault
    reason = await ask_one(await actre(**upstream, actre_retries=1), query)
    assert (reason.annotator, reason.fallback, reason.model) == ("template", True, None)
    assert "shelf 1" in reason.reason
    assert len(proxy.posts) == 2
    proxy.always = "ok"
    assert not (await ask_one(await actre(**upstream), query)).fallback, "what a fallback wrote is not cached"


async def test_without_a_fallback_each_query_has_its_own_problem(
    actre: ServiceFactory, upstream: Upstream, proxy: FaultProxy
) -> None:
    proxy.faults.extend(["", "", ""])
    client = await actre(**upstream, actre_fallback="fail", actre_retries=0, actre_concurrency=1)
    results = await ask(client, *[make_query(f"go to shelf {n}") for n in range(5)])
    problems = [r for r in results if isinstance(r, Problem)]
    assert [p.status for p in problems] == [502, 502, 502]
    assert problems[0].detail == "The LLM gave no usable reason in 1 attempts: empty."
    assert len(results) == 5


async def test_an_upstream_that_hangs_costs_a_bounded_time(
    actre: ServiceFactory, upstream: Upstream, proxy: FaultProxy, query: ReasonQuery
) -> None:
    proxy.always = "hang"
    client = await actre(**upstream, actre_fallback="fail", actre_timeout=0.3, actre_retries=1, actre_deadline=30)
    (problem,) = await asyncio.wait_for(ask(client, query), 20)
    assert isinstance(problem, Problem)
    assert problem.status == 504
    assert "0.3 s" in problem.detail


async def test_the_deadline_bounds_all_attempts_together(
    actre: ServiceFactory, upstream: Upstream, proxy: FaultProxy, query: ReasonQuery
) -> None:
    await ask_one(await actre(**upstream), query)  # so that the model's name is known
    proxy.always = "hang"
    client = await actre(**upstream, actre_fallback="fail", actre_timeout=60, actre_retries=9, actre_deadline=0.8)
    (problem,) = await asyncio.wait_for(ask(client, make_query("look")), 20)
    assert isinstance(problem, Problem)
    assert problem.status == 504
    assert "A3T_ACTRE_DEADLINE" in (problem.hint or "")


async def test_a_refused_token_is_not_tried_again(
    actre: ServiceFactory, upstream: Upstream, query: ReasonQuery, proxy: FaultProxy
) -> None:
    wrong = upstream | {"actre_upstream_token": "wrong-token", "actre_model": "named"}
    (problem,) = await ask(await actre(**wrong, actre_fallback="fail"), query)
    assert isinstance(problem, Problem)
    assert problem.status == 502
    assert "A3T_ACTRE_UPSTREAM_TOKEN" in (problem.hint or "")
    assert len(proxy.posts) == 1


async def test_readiness_follows_the_llm_server(actre: ServiceFactory, upstream: Upstream) -> None:
    assert (await (await actre(**upstream)).ready())["model"]
    nowhere = upstream | {"actre_upstream_url": f"http://127.0.0.1:{free_port()}"}
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await (await actre(**nowhere)).ready()


async def test_a_request_may_name_the_annotator(actre: ServiceFactory, upstream: Upstream, query: ReasonQuery) -> None:
    (result,) = await ask(await actre(**upstream), query, annotator="template")
    assert isinstance(result, Reason)
    assert (result.annotator, result.fallback) == ("template", False)


async def test_tokens_are_counted(actre: ServiceFactory, upstream: Upstream, query: ReasonQuery) -> None:
    client = await actre(**upstream)
    await ask_one(client, query)
    lines = generate_latest().decode().splitlines()
    counted = [float(line.split()[-1]) for line in lines if line.startswith('a3t_actre_tokens_total{direction="compl')]
    assert sum(counted) >= 10
