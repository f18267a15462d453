"""Annotators that other packages add."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a3t_actre.app import create_app, create_desk
from a3t_actre.plugins import installed_reasons
from a3t_actre.prompting import build_prompt, prompt_loader, prompt_template
from a3t_actre.settings import ActReSettings
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History
from a3t_contracts.schemas import Reason, ReasonQuery
from tests.actre.conftest import make_query

Install = Callable[[str, str], None]
MODULE = """
from a3t_actre.annotators.template import TemplateAnnotator

def make(settings):
    return TemplateAnnotator("terse", lambda environment: lambda history, action: f"{environment}: {action}.")
"""
REASONS = """
from pathlib import Path
from a3t_actre.plugins import ReasonsPlugin

def grammar(history, action):
    return {"say hello": "Somebody is here, so I greet."}[action]

plugin = ReasonsPlugin(grammar, Path(__file__).parent / "prompts")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with one annotator on the path: its name, and what its entry point names."""

    def put(name: str, target: str) -> None:
        about = tmp_path / "site" / "terse-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: terse\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[a3t.annotators]\n{name} = {target}\n")
        (about.parent / "terse_annotator.py").write_text(MODULE)
        monkeypatch.syspath_prepend(about.parent)

    return put


async def test_an_installed_annotator_is_offered_and_may_be_the_default(install: Install, tmp_path: Path) -> None:
    install("terse", "terse_annotator:make")
    desk = create_desk(ActReSettings(home=tmp_path, actre_annotator="terse"))
    (chosen,) = await desk.answer([make_query("look")], None)
    assert isinstance(chosen, Reason)
    assert (chosen.reason, chosen.annotator) == ("alfworld: look.", "terse")
    assert {"terse", "template"} <= set((await desk.check())["annotators"])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("terse", "terse_annotator:absent", r"'terse' \(terse_annotator:absent\) of terse cannot be loaded"),
        ("llm", "terse_annotator:make", "terse has an annotator 'llm'"),
    ],
)
def test_a_bad_package_is_named(install: Install, tmp_path: Path, name: str, target: str, words: str) -> None:
    install(name, target)
    with pytest.raises(InvalidInputError, match=words):
        create_app(ActReSettings(home=tmp_path))


def test_a_default_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="A3T_ACTRE_ANNOTATOR='gpt' is not offered here, only template"):
        create_app(ActReSettings(home=tmp_path, actre_annotator="gpt"))


@pytest.fixture
def parlour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a package on the path whose reasons for the environment `parlour` are what the entry point names."""
    caches = (installed_reasons, prompt_template, prompt_loader)

    def put(target: str) -> None:
        about = tmp_path / "site" / "parlour-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parlour\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[a3t.reasons]\nparlour = {target}\n")
        (about.parent / "parlour_reasons.py").write_text(REASONS)
        (about.parent / "prompts").mkdir()
        (about.parent / "prompts" / "v1.jinja").write_text(
            '{% from "layout.jinja" import episode %}In a parlour.\n'
            "{{ episode(history, skipped) }}Action: {{ action }}\nWhy:"
        )
        monkeypatch.syspath_prepend(about.parent)
        for cache in caches:
            cache.cache_clear()

    yield put
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def _greet(action: str) -> ReasonQuery:
    return ReasonQuery(history=History(environment="parlour", observation="A guest sits here."), action=action)


async def test_a_package_brings_the_reasons_of_its_environment(parlour: Callable[[str], None], tmp_path: Path) -> None:
    parlour("parlour_reasons:plugin")
    desk = create_desk(ActReSettings(home=tmp_path))
    written, general = await desk.answer([_greet("say hello"), _greet("ask guest")], None)
    assert isinstance(written, Reason)
    assert (written.reason, written.fallback) == ("Somebody is here, so I greet.", False)
    assert isinstance(general, Reason), "a grammar that fails costs its words, not the request"
    assert (general.reason, general.fallback) == ("I was told of guest at the beginning. I try ask guest.", True)
    prompt = build_prompt(_greet("say hello"), "v1", 8000)
    assert prompt == "In a parlour.\nObservation: A guest sits here.\nAction: say hello\nWhy:"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("parlour_reasons:absent", r"reasons for 'parlour' \(parlour_reasons:absent\) of parlour cannot be loaded"),
        ("parlour_reasons:grammar", "parlour_reasons:grammar of parlour is not a ReasonsPlugin"),
    ],
)
def test_a_package_with_bad_reasons_is_named(
    parlour: Callable[[str], None], tmp_path: Path, target: str, words: str
) -> None:
    parlour(target)
    with pytest.raises(InvalidInputError, match=words):
        create_app(ActReSettings(home=tmp_path))
