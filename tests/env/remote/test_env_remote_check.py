"""`a3t env check URL` for environments behind HTTP."""

from __future__ import annotations

import pytest

from a3t_env.authoring.check import check_environment, serving
from a3t_env.reference_server import environment_app
from tests.support.agentgym_double import agentgym_double
from tests.support.examples import load_example
from tests.support.live_server import live_server


@pytest.mark.parametrize("scheme", ["http", "agentgym+http"])
async def test_a_remote_passes_every_check(scheme: str) -> None:
    guess = load_example("environments/guess.py").Guess
    app = environment_app(guess) if scheme == "http" else agentgym_double("games")[0]
    with live_server(app) as url:
        subject = url if scheme == "http" else f"agentgym+{url}?tasks=12"
        async with serving(subject) as (client, info):
            verdicts = [verdict async for verdict in check_environment(client, info)]
    assert [(v.check, v.text) for v in verdicts if v.state == "failed"] == []
    assert {"same seed", "repeated steps", "64 at once", "closing"} <= {v.check for v in verdicts}
