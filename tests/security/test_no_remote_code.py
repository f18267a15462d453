"""Nothing in the packages loads pickles, evaluates text, or runs code that comes with a model."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["contracts", "services", "orchestrator", "pretraining"]
FORBIDDEN_CALLS = {
    *("eval", "exec", "pickle.load", "pickle.loads", "marshal.loads", "torch.load", "joblib.load", "yaml.load"),
    *("os.system", "shelve.open", "dill.loads", "cloudpickle.loads", "yaml.unsafe_load", "jsonpickle.decode"),
}


def name_of(call: ast.expr) -> str:
    if isinstance(call, ast.Name):
        return call.id
    return f"{name_of(call.value)}.{call.attr}" if isinstance(call, ast.Attribute) else ""


def faults(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named = name_of(node.func)
        safe = any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords)
        if named in FORBIDDEN_CALLS and not (named == "torch.load" and safe):
            found.append(f"{node.lineno}: {named}")
        found += [
            f"{node.lineno}: {keyword.arg}"
            for keyword in node.keywords
            if keyword.arg in ("trust_remote_code", "allow_pickle", "shell")
            and getattr(keyword.value, "value", None) is not False
        ]
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_call_that_runs_what_it_reads(package: str) -> None:
    files = [path for path in (ROOT / package).rglob("*.py") if ".venv" not in path.parts]
    assert files
    assert {str(path): found for path in files if (found := faults(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "torch.load(p)", "f(trust_remote_code=True)", "numpy.load(p, allow_pickle=True)", "run(x, shell=True)"],
)
def test_such_a_call_would_be_found(source: str) -> None:
    assert faults(source)
