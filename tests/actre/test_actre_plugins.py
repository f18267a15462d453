"""Annotators that other packages add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from a3t_actre.app import create_app, create_desk
from a3t_actre.settings import ActReSettings
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Reason
from tests.actre.conftest import make_query

Install = Callable[[str, str], None]
MODULE = """
from a3t_actre.annotators.template import TemplateAnnotator

def make(settings):
    return TemplateAnnotator("terse", lambda environment: lambda history, action: f"{environment}: {action}.")
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
        ("llm", "terse_annotator:make", "terse names an annotator 'llm'"),
    ],
)
def test_a_bad_package_is_named(install: Install, tmp_path: Path, name: str, target: str, words: str) -> None:
    install(name, target)
    with pytest.raises(InvalidInputError, match=words):
        create_app(ActReSettings(home=tmp_path))


def test_a_default_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="A3T_ACTRE_ANNOTATOR='gpt' is not offered here, only template"):
        create_app(ActReSettings(home=tmp_path, actre_annotator="gpt"))
