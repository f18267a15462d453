"""`a3t play` and `a3t chat` with real services: the env service, the policy service and the ActRe service."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient
from a3t_contracts.schemas import PromptStyle
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.play.game import Game, Services, TaskChoice
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import free_port, live_server
from tests.support.reason_model import make_known_text_model
from tests.support.scripted_policy import ScriptedPolicy

ADDRESSES = dict[str, str]
PLAY = [
    sys.executable,
    "-c",
    "from a3t_contracts.cli import guarded; from a3t_orchestrator.play.cli import app; raise SystemExit(guarded(app))",
]
CHAT = [*PLAY[:2], PLAY[2].replace("import app", "import chat as app")]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ADDRESSES]:
    """Environment variables of an env service with corridors, and an ActRe service. No policy is there."""
    home = tmp_path_factory.mktemp("home")
    environments = Environments({"alfworld": CorridorEnvironment})
    with (
        live_server(create_env(EnvSettings(home=home), environments)) as env,
        live_server(create_actre(ActReSettings(home=home))) as actre,
    ):
        nowhere = f"http://127.0.0.1:{free_port()}"
        yield {"A3T_HOME": str(home), "A3T_ENV_URL": env, "A3T_ACTRE_URL": actre, "A3T_POLICY_URL": nowhere}


def play(
    addresses: ADDRESSES, *arguments: str, typed: str = "", command: list[str] = PLAY
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | addresses | {"COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(
        [*command, *arguments], input=typed, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_person_wins_with_typed_and_listed_actions(addresses: ADDRESSES, tmp_path: Path) -> None:
    saved = tmp_path / "mine.jsonl"
    typed = ":actions\n1\nfly\n:hint\ngo right\n:why take flag\ntake flag\n"
    done = play(addresses, "--task", "corridor-3", "--save", str(saved), typed=typed)
    assert done.returncode == 0, done.stderr
    assert "Your task is to: take the flag." in done.stdout
    assert "1 go right" in done.stdout
    assert "did not understand or allow that" in done.stdout
    assert "take flag" in done.stdout.split(":why take flag")[1].splitlines()[1]
    assert "Solved in 4 steps, reward 1." in done.stdout
    (line,) = [json.loads(text) for text in saved.read_text().splitlines()]
    assert [step["action"] for step in line["steps"]] == ["go right", "fly", "go right", "take flag"]
    assert (line["reward"], line["success"], line["task_id"]) == (1.0, True, "corridor-3")


def test_what_is_saved_can_be_annotated(addresses: ADDRESSES, tmp_path: Path) -> None:
    from a3t_actre.annotate.records import parse_line

    saved = tmp_path / "mine.jsonl"
    play(addresses, "--task", "corridor-3", "--save", str(saved), typed="go right\n")
    record = parse_line(1, saved.read_text())
    assert record.open_steps == [0]
    assert record.query(0).action == "go right"


def test_leaving_closes_the_session(addresses: ADDRESSES) -> None:
    import httpx

    done = play(addresses, "--seed", "1", typed="go right\n:quit\n")
    assert done.returncode == 0
    assert "You left after 1 steps." in done.stdout
    metrics = httpx.get(f"{addresses['A3T_ENV_URL']}/metrics").text.splitlines()
    assert "a3t_env_sessions 0.0" in metrics


def test_the_seed_draws_the_same_task(addresses: ADDRESSES) -> None:
    first, second = (play(addresses, "--seed", "5").stdout for _ in range(2))
    assert first == second
    assert "corridor-" in first


def test_a_split_and_a_type_bound_the_draw(addresses: ADDRESSES) -> None:
    assert "corridor-5" in play(addresses, "--split", "valid_seen").stdout
    assert "corridor-4" in play(addresses, "--split", "train", "--type", "long").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--task", "corridor-99"], 3, "no task 'corridor-99'"),
        (["--split", "nowhere"], 2, "no split 'nowhere'"),
        (["--type", "huge"], 3, "'huge'"),
        (["chess"], 3, "no environment 'chess'"),
        (["--engine", "steam"], 2, "steam"),
    ],
)
def test_what_does_not_exist_is_one_message(
    addresses: ADDRESSES, arguments: list[str], code: int, message: str
) -> None:
    done = play(addresses, *arguments)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_without_services_the_command_says_what_to_start(addresses: ADDRESSES) -> None:
    done = play(addresses | {"A3T_ENV_URL": f"http://127.0.0.1:{free_port()}"})
    assert done.returncode == 1
    assert "a3t up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_policy_that_is_away_does_not_end_the_game(addresses: ADDRESSES) -> None:
    done = play(addresses, "--task", "corridor-3", "--suggest", typed="go right\n\n:suggest\n:nonsense\n:quit\n")
    assert done.returncode == 0
    assert done.stdout.count("cannot be reached") == 3
    assert "There is no command :nonsense." in done.stdout


@pytest.fixture(scope="module")
def with_policy(addresses: ADDRESSES, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ADDRESSES]:
    """The addresses with a policy service whose model always says "Action: go right"."""
    from a3t_policy.app import create_app as create_policy
    from a3t_policy.settings import PolicySettings

    home = tmp_path_factory.mktemp("policy")
    model = make_known_text_model(home / "model", "\n", "Action: go right\n")
    with live_server(create_policy(PolicySettings(home=home, policy_base_model=str(model)))) as url:
        yield addresses | {"A3T_POLICY_URL": url}


def test_chat_shows_the_policys_action_and_an_empty_line_takes_it(with_policy: ADDRESSES) -> None:
    done = play(with_policy, "--task", "corridor-3", typed="\n\ntake flag\n", command=CHAT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("policy (") == 3
    assert done.stdout.count("  go right") >= 3
    assert "Solved in 3 steps, reward 1." in done.stdout


async def test_suggestions_read_the_history_as_the_model_was_trained_to(addresses: ADDRESSES) -> None:
    policy = ScriptedPolicy(lambda _: "go right")
    policy.loaded |= {"run-r00"}
    policy.prompts = {"run-r00": PromptStyle.chat}
    read: list[PromptStyle] = []
    policy.watch = lambda turn: read.append(turn.history.prompt)
    token = DEVELOPMENT_TOKEN
    with live_server(policy.app(token)) as url:
        services = Services(
            EnvClient(addresses["A3T_ENV_URL"], token),
            PolicyClient(url, token),
            ActReClient(addresses["A3T_ACTRE_URL"], token),
        )
        choice = TaskChoice(task_id="corridor-3")
        for model in (None, "run-r00"):
            game = await Game.start(services, choice, None, None, model)
            suggestion = await game.suggest()
            await game.step(suggestion.action, suggestion)
            await game.suggest()
            await game.close()
        policy.prompts["base"] = PromptStyle.chat  # another version went live
        game = await Game.start(services, choice, None, None, None)
        await game.suggest()
        await game.close()
        await services.aclose()
    plain, chat = PromptStyle.plain, PromptStyle.chat
    assert read == [plain, plain, chat, chat, chat]


def test_it_works_in_a_terminal(addresses: ADDRESSES) -> None:
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [*PLAY, "--task", "corridor-3"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
        env=os.environ | addresses | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    screen = _read_until(ours, b"> ")
    for line, answer in (
        (b"go right\n", b"room 1"),
        (b":actions\n", b"go left"),
        (b"\x04", b"You left after 1 steps."),
    ):
        os.write(ours, line)
        screen += _read_until(ours, answer)
    assert run.wait(60) == 0
    assert b"take the flag" in screen
    os.close(ours)


def _read_until(terminal: int, *texts: bytes) -> bytes:
    """What the terminal shows up to one of `texts`; the suite's time limit bounds it."""
    seen = b""
    while not any(text in seen for text in texts):
        more = os.read(terminal, 4096)
        assert more, f"the program ended after: {seen.decode()}"
        seen += more
    return seen


@pytest.fixture(scope="module")
def alfworld(addresses: ADDRESSES, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ADDRESSES]:
    """The addresses with an env service that plays real ALFWorld games, generated here."""
    home = tmp_path_factory.mktemp("alfworld")
    generate = ["data", "generate", "alfworld", "--games", "1", "--heldout", "0"]
    subprocess.run(
        [sys.executable, "-m", "a3t_orchestrator.cli", *generate],
        env=os.environ | {"A3T_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    with live_server(create_env(EnvSettings(home=home))) as url:
        yield addresses | {"A3T_ENV_URL": url}


def test_a_real_game_is_won_with_the_experts_hints(alfworld: ADDRESSES) -> None:
    environment = os.environ | alfworld | {"COLUMNS": "200", "NO_COLOR": "1"}
    run = subprocess.Popen(PLAY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert run.stdin
    assert run.stdout
    screen = _read_until(run.stdout.fileno(), b"> ").decode()
    assert "You are in the middle of a room" in screen
    for _ in range(50):
        run.stdin.write(b":hint\n")
        hint = _read_until(run.stdout.fileno(), b"> ").decode().splitlines()[1].strip()
        run.stdin.write(f"{hint}\n".encode())
        screen = _read_until(run.stdout.fileno(), b"> ", b"Solved in").decode()
        if "Solved in" in screen:
            break
    assert "Solved in" in screen
    run.stdin.close()
    assert run.wait(60) == 0
